//! Writes JSON (RFC 8259) without building it first.

use std::{
    cell::Cell,
    io::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::Value;

/// A key of our own, which has nothing to escape, as it is written.
#[derive(Clone, Copy)]
pub(crate) struct Key(pub(crate) &'static str);

/// The key of this name.
macro_rules! key {
    ($name:literal) => {
        $crate::json::Key(concat!("\"", $name, "\":"))
    };
}
pub(crate) use key;

/// An object that is being written.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    separator: u8,
}

impl<'a> Object<'a> {
    pub(crate) const fn open(out: &'a mut Vec<u8>) -> Self {
        Self { out, separator: b'{' }
    }

    pub(crate) fn close(self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }

    fn key(&mut self, Key(key): Key) {
        self.out.push(self.separator);
        self.separator = b',';
        self.out.extend_from_slice(key.as_bytes());
    }

    /// The members without braces around them; for an object that was opened on nothing.
    pub(crate) fn into_members(self) -> Vec<u8> {
        let mut members = std::mem::take(self.out);
        // The brace that opens it.
        members.drain(..1);
        members
    }

    /// Members that were written before, with commas between them.
    pub(crate) fn members(&mut self, members: &[u8]) {
        self.out.push(self.separator);
        self.separator = b',';
        self.out.extend_from_slice(members);
    }

    /// Anybody's key.
    fn any_key(&mut self, key: &str) {
        self.out.push(self.separator);
        self.separator = b',';
        string(self.out, key);
        self.out.push(b':');
    }

    pub(crate) fn text(&mut self, key: Key, text: &str) {
        self.key(key);
        string(self.out, text);
    }

    /// A text that has nothing to escape.
    pub(crate) fn word(&mut self, key: Key, word: &str) {
        self.key(key);
        quoted(self.out, word);
    }

    pub(crate) fn texts(&mut self, key: Key, texts: &[String]) {
        self.key(key);
        self.list_of_texts(texts);
    }

    /// The same under a key of two parts, of which the second may be anybody's.
    pub(crate) fn prefixed_texts(&mut self, prefix: &str, key: &str, texts: &[String]) {
        self.any_key(&[prefix, key].concat());
        self.list_of_texts(texts);
    }

    fn list_of_texts(&mut self, texts: &[String]) {
        let mut separator = b'[';
        for text in texts {
            self.out.push(separator);
            separator = b',';
            string(self.out, text);
        }
        self.out.push(b']');
    }

    /// `true`; what is false is left out.
    pub(crate) fn flag(&mut self, key: Key) {
        self.key(key);
        self.out.extend_from_slice(b"true");
    }

    pub(crate) fn number(&mut self, key: Key, number: u64) {
        self.key(key);
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// Milliseconds with three decimals: microseconds are what a clock of a service can tell.
    pub(crate) fn millis(&mut self, key: Key, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.number(key, micros / 1000);
        self.out.push(b'.');
        digits(self.out, micros % 1000, 3);
    }

    pub(crate) fn time(&mut self, key: Key, time: SystemTime) {
        self.key(key);
        self.out.push(b'"');
        rfc3339(self.out, time);
        self.out.push(b'"');
    }

    /// A field of the user's.
    pub(crate) fn value(&mut self, key: &str, value: &Value) {
        self.any_key(key);
        match value {
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::I64(value) => self.out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
            Value::U64(value) => self.out.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes()),
            Value::F64(value) if value.is_finite() => {
                // `Debug` turns to an exponent where `Display` would write 300 digits. Writing to a vector cannot
                // fail, here and below.
                let _ = write!(self.out, "{value:?}");
            }
            Value::F64(_) => self.out.extend_from_slice(b"null"),
            Value::Str(text) => string(self.out, text),
        }
    }

    /// A number that is finite.
    pub(crate) fn float(&mut self, key: Key, number: f64) {
        self.key(key);
        let _ = write!(self.out, "{number}");
    }

    /// A list of objects; without any it is left out.
    pub(crate) fn objects<T>(
        &mut self,
        key: Key,
        items: impl Iterator<Item = T>,
        write: impl Fn(&mut Object<'_>, T),
    ) {
        let mut separator = b'[';
        for item in items {
            if separator == b'[' {
                self.key(key);
            }
            self.out.push(separator);
            separator = b',';
            let mut object = Object::open(self.out);
            write(&mut object, item);
            object.close();
        }
        if separator == b',' {
            self.out.push(b']');
        }
    }

    pub(crate) fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.any_key(key);
        let mut object = Object::open(self.out);
        write(&mut object);
        object.close();
    }
}

fn quoted(out: &mut Vec<u8>, word: &str) {
    out.push(b'"');
    out.extend_from_slice(word.as_bytes());
    out.push(b'"');
}

/// The bytes that a JSON string cannot have as they are. A look-up costs less than comparing each.
static ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

/// Where the first byte stands that needs an escape. Eight bytes that need none are passed over at once.
fn first_special(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // A byte is 0 exactly where its highest bit is set in the result, for the first such byte at least.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let plain = |eight: &&[u8; 8]| {
        let word = u64::from_le_bytes(**eight);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        below_space | zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) == 0
    };
    let (eights, _) = text.as_chunks::<8>();
    let start = eights.iter().take_while(plain).count().saturating_mul(8);
    let rest = text.get(start..)?;
    let at = rest.iter().position(|byte| ESCAPED[usize::from(*byte)])?;
    Some(start.saturating_add(at))
}

/// A JSON string. Runs of bytes that need no escape are copied as they are.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = first_special(rest) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// `2026-11-20T10:48:28.123456Z` (RFC 3339, UTC).
pub(crate) fn rfc3339(out: &mut Vec<u8>, time: SystemTime) {
    thread_local! {
        /// The second that was written last, and its text.
        static LAST: Cell<(u64, [u8; SECOND])> = const { Cell::new((u64::MAX, [0; SECOND])) };
    }
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let text = LAST.try_with(|last| {
        let (of, text) = last.get();
        if of == seconds {
            return text;
        }
        let text = second(seconds);
        last.set((seconds, text));
        text
    });
    out.extend_from_slice(&text.unwrap_or_else(|_| second(seconds)));
    digits(out, u64::from(since.subsec_micros()), 6);
    out.push(b'Z');
}

/// The length of `2026-11-20T10:48:28.`
const SECOND: usize = 20;

fn second(seconds: u64) -> [u8; SECOND] {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut out = Vec::with_capacity(SECOND);
    for (value, width, then) in [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'.'),
    ] {
        digits(&mut out, value, width);
        out.push(then);
    }
    out.try_into().unwrap_or([b'0'; SECOND])
}

/// The last `width` decimal digits of a number, at most 8 of them.
fn digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut text = [b'0'; 8];
    for digit in text.iter_mut().take(width).rev() {
        // The remainder of ten is one digit.
        *digit = b'0'.saturating_add(u8::try_from(value % 10).unwrap_or_default());
        value /= 10;
    }
    out.extend_from_slice(text.get(..width).unwrap_or_default());
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year; 400 years have 146,097 days.
const fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_0000_03_01_TO_1970: u64 = 719_468;
    let days = days + DAYS_0000_03_01_TO_1970;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + (month <= 2) as u64, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(seconds: u64) -> String {
        let mut out = Vec::new();
        rfc3339(&mut out, UNIX_EPOCH + Duration::new(seconds, 42_000));
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn times_are_civil() {
        // Each checked with `date --utc --date=@…`.
        assert_eq!(time(0), "1970-01-01T00:00:00.000042Z");
        assert_eq!(time(951_782_399), "2000-02-28T23:59:59.000042Z");
        assert_eq!(time(951_782_400), "2000-02-29T00:00:00.000042Z");
        assert_eq!(time(1_795_171_708), "2026-11-20T10:48:28.000042Z");
        assert_eq!(time(4_107_542_400), "2100-03-01T00:00:00.000042Z");
    }

    #[test]
    fn what_needs_an_escape_is_found_wherever_it_stands() {
        for special in ['"', '\\', '\n', '\u{0}', '\u{1f}'] {
            for at in 0..40 {
                let text = format!(
                    "{}{special}{}",
                    "ä~ \u{7f}".repeat(10).split_at(at / 5 * 5).0,
                    "plain".repeat(at % 5)
                );
                let mut out = Vec::new();
                string(&mut out, &text);
                assert_eq!(serde_json::from_slice::<String>(&out).expect("valid JSON"), text);
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in any::<String>()) {
            let mut out = Vec::new();
            string(&mut out, &text);
            let read: String = serde_json::from_slice(&out).expect("valid JSON");
            prop_assert_eq!(read, text);
        }

        #[test]
        fn any_value_reads_back(key in any::<String>(), float in any::<f64>(), int in any::<i64>()) {
            let mut out = Vec::new();
            let mut object = Object::open(&mut out);
            object.value("float", &float.into());
            object.object("inner", |inner| inner.value(&key, &int.into()));
            object.close();
            let read: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
            prop_assert_eq!(read["float"].as_f64(), float.is_finite().then_some(float));
            prop_assert_eq!(read["inner"][&key].as_i64(), Some(int));
        }

        #[test]
        fn every_day_follows_the_one_before(days in 0_u64..200_000) {
            let ((y1, m1, d1), (y2, m2, d2)) = (civil(days), civil(days + 1));
            let same_month = (y1, m1, d1 + 1) == (y2, m2, d2);
            let next_month = (y1, m1 + 1, 1) == (y2, m2, d2);
            let next_year = (y1 + 1, 12, 31, 1, 1) == (y2, m1, d1, m2, d2);
            prop_assert!((1..=31).contains(&d1) && (same_month || next_month || next_year));
        }
    }
}
