//! A JSON writer (RFC 8259) that writes text directly, without an intermediate value.

use std::{fmt::Write as _, net::IpAddr, time::Duration};

use crate::{
    base::value::Value,
    write::{
        buffer::BufferWriter,
        digits,
        json_text::{escaped, string},
        rfc3339,
    },
};

/// A key from our own code, in the form in which it is written: with a comma before it and a colon
/// after it. It contains nothing to escape.
#[derive(Clone, Copy)]
pub(crate) struct JsonKey {
    pub(crate) bare: &'static str,
    /// The key with the opening quote of a text value.
    pub(crate) quoted: &'static str,
}

/// Creates a [`JsonKey`] from a literal name.
macro_rules! key {
    ($name:literal) => {
        $crate::write::json::JsonKey {
            bare: concat!(",\"", $name, "\":"),
            quoted: concat!(",\"", $name, "\":\""),
        }
    };
}
pub(crate) use key;

/// An object that is being written.
///
/// A comma is written before every member. The opening brace replaces the first comma.
pub(crate) struct Object<'a, 'b> {
    out: &'a mut BufferWriter<'b>,
    start: usize,
}

// Functions with a [`JsonKey`] are inlined: for a key that is known at compile time, the code is
// two or three stores instead of a call.
#[allow(clippy::inline_always)]
impl<'a, 'b> Object<'a, 'b> {
    pub(crate) const fn open(out: &'a mut BufferWriter<'b>) -> Self {
        let start = out.at();
        Self { out, start }
    }

    pub(crate) fn close(self) {
        self.end(b"}");
    }

    /// Closes the object and ends its line.
    pub(crate) fn close_line(self) {
        self.end(b"}\n");
    }

    #[inline(always)]
    fn end(self, brace: &[u8]) {
        if self.out.at() == self.start {
            self.out.put(b"{");
        } else {
            self.out.replace(self.start, b'{');
        }
        self.out.put(brace);
    }

    /// Writes complete members, or a part of them. Each has a comma before it.
    pub(crate) fn members(&mut self, members: &[u8]) {
        self.out.put(members);
    }

    /// Writes a key that may need escapes, and returns the position after it.
    pub(crate) fn any_key(&mut self, key: &str) -> usize {
        self.out.put(b",");
        string(self.out, key);
        self.out.put(b":");
        self.out.at()
    }

    #[inline(always)]
    fn bare(&mut self, key: JsonKey) {
        self.out.put(key.bare.as_bytes());
    }

    #[inline(always)]
    pub(crate) fn text(&mut self, key: JsonKey, text: &str) {
        self.out.put(key.quoted.as_bytes());
        escaped(self.out, text);
    }

    /// Writes a text. `is_plain` is the known result of
    /// [`is_plain`](crate::write::json_text::is_plain) for it.
    #[inline(always)]
    pub(crate) fn known_text(&mut self, key: JsonKey, text: &str, is_plain: bool) {
        if is_plain { self.word(key, text) } else { self.text(key, text) }
    }

    /// Writes a text without characters to escape.
    #[inline(always)]
    pub(crate) fn word(&mut self, key: JsonKey, word: impl AsRef<[u8]>) {
        self.out.put_all([key.quoted.as_bytes(), word.as_ref(), b"\""]);
    }

    #[inline(always)]
    pub(crate) fn texts(&mut self, key: JsonKey, texts: &[String]) {
        self.bare(key);
        self.list_of_texts(texts);
    }

    /// Writes a key and a text, both of which may need escapes.
    #[cfg(feature = "logs")]
    pub(crate) fn any_text(&mut self, key: &str, text: &str) {
        self.any_key(key);
        string(self.out, text);
    }

    /// Writes a list of texts. The key has two parts, and the second may need escapes.
    #[inline(never)]
    pub(crate) fn prefixed_texts(&mut self, prefix: &str, key: &str, texts: &[String]) {
        self.any_key(&[prefix, key].concat());
        self.list_of_texts(texts);
    }

    fn list_of_texts(&mut self, texts: &[String]) {
        let mut separator = b'[';
        for text in texts {
            self.out.put(&[separator]);
            separator = b',';
            string(self.out, text);
        }
        self.out.put(b"]");
    }

    /// Writes `true`. A false flag is not written at all.
    #[inline(always)]
    pub(crate) fn flag(&mut self, key: JsonKey) {
        self.bare(key);
        self.out.put(b"true");
    }

    #[inline(always)]
    pub(crate) fn number(&mut self, key: JsonKey, number: impl Into<u64>) {
        self.bare(key);
        digits::number(self.out, number.into());
    }

    /// Writes milliseconds with three decimals. A service's clock is not more precise than
    /// microseconds.
    #[inline(always)]
    pub(crate) fn millis(&mut self, key: JsonKey, time: Duration) {
        self.bare(key);
        digits::millis(self.out, time);
    }

    #[inline(always)]
    pub(crate) fn time(&mut self, key: JsonKey, since_1970: Duration) {
        self.out.put_all([key.quoted.as_bytes(), &rfc3339::text(since_1970), b"\""]);
    }

    #[inline(always)]
    pub(crate) fn address(&mut self, key: JsonKey, address: IpAddr) {
        self.out.put(key.quoted.as_bytes());
        digits::address(self.out, address);
        self.out.put(b"\"");
    }

    /// Writes a field's value after its key.
    pub(crate) fn bare_value(&mut self, value: &Value) {
        match value {
            Value::Bool(true) => self.out.put(b"true"),
            Value::Bool(false) => self.out.put(b"false"),
            Value::I64(value) => self.out.put(itoa::Buffer::new().format(*value).as_bytes()),
            Value::U64(value) => digits::number(self.out, *value),
            Value::F64(value) if value.is_finite() => digits::float(self.out, *value),
            Value::F64(_) => self.out.put(b"null"),
            Value::Str(text) => string(self.out, text),
            Value::List(items) => self.list_of_values(items),
            Value::Absent => self.out.put(b"null"),
        }
    }

    #[cold]
    #[inline(never)]
    fn list_of_values(&mut self, items: &[Value]) {
        self.out.put(b"[");
        for (place, item) in items.iter().enumerate() {
            self.out.put(if place == 0 { b"" } else { b"," });
            self.bare_value(item);
        }
        self.out.put(b"]");
    }

    /// Writes a finite number between 0 and 1, which is usually 1.
    #[inline(always)]
    pub(crate) fn share(&mut self, key: JsonKey, share: f64) {
        if share == 1.0 {
            self.out.put_all([key.bare.as_bytes(), b"1"]);
        } else {
            self.bare(key);
            // Writing cannot fail.
            let _ = write!(self.out, "{share}");
        }
    }

    /// Writes a list of objects. An empty list is not written at all.
    #[inline(always)]
    pub(crate) fn objects<T>(
        &mut self,
        key: JsonKey,
        items: impl ExactSizeIterator<Item = T>,
        write: impl Fn(&mut Object<'_, '_>, T),
    ) {
        if items.len() == 0 {
            return;
        }
        self.bare(key);
        let mut separator = b'[';
        for item in items {
            self.out.put(&[separator]);
            separator = b',';
            let mut object = Object::open(self.out);
            write(&mut object, item);
            object.close();
        }
        self.out.put(b"]");
    }

    #[inline(always)]
    pub(crate) fn object(&mut self, key: JsonKey, write: impl FnOnce(&mut Object<'_, '_>)) {
        self.bare(key);
        self.bare_object(write);
    }

    /// Writes an object whose key may need escapes.
    pub(crate) fn any_object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_, '_>)) {
        self.any_key(key);
        self.bare_object(write);
    }

    fn bare_object(&mut self, write: impl FnOnce(&mut Object<'_, '_>)) {
        let mut object = Object::open(self.out);
        write(&mut object);
        object.close();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::write::buffer::written;

    proptest! {
        #[test]
        fn any_value_is_parsed_as_it_was_written(key in any::<String>(), float in any::<f64>(), int in any::<i64>()) {
            let out = written(|out| {
                let mut object = Object::open(out);
                object.any_key("float");
                object.bare_value(&float.into());
                object.any_key("list");
                object.bare_value(&vec![Value::from(key.as_str()), int.into(), [true; 2].into(), [0; 0].into()].into());
                object.any_object("inner", |inner| {
                    inner.any_key(&key);
                    inner.bare_value(&int.into());
                });
                object.close();
            });
            let read: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
            prop_assert_eq!(read["float"].as_f64(), float.is_finite().then_some(float));
            prop_assert_eq!(read["inner"][&key].as_i64(), Some(int));
            prop_assert_eq!(&read["list"], &serde_json::json!([key, int, [true, true], []]));
        }
    }
}
