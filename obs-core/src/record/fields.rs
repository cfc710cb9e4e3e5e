//! The application's own fields of a record.
//!
//! The number of fields is bounded, and the cost of a field does not depend on their number. A
//! Bloom filter recognises most new names. For each list of names, the thread stores the JSON text
//! around the values, with the names sorted, nested and escaped. An event only copies this text and
//! adds the values.

use std::{
    borrow::Cow,
    hash::{BuildHasher as _, Hasher as _},
    ptr,
};

use rustc_hash::{FxBuildHasher, FxHasher};

use crate::base::{
    name_filter::NameFilter,
    text::cow_bounded,
    value::{MAX_FIELD_BYTES, Value},
};

/// The maximum number of fields of one request.
pub const MAX_FIELDS: usize = 64;

/// The minimum room, in bytes, for a text that is cut. With less room, the text is dropped.
const WORTH_CUTTING: usize = 32;

/// The fields that a request's handler set, in the order in which they were first set.
///
/// They are bounded: at most 64 fields and 16 KiB. A text that does not fit is cut and ends with
/// `…`. Any other value that does not fit is dropped and counted.
///
/// ```
/// # use obs_core::{Observer, Outcome, Value, adapter::RequestHead, output::{Record, RecordSink}};
/// struct Plans;
/// impl RecordSink for Plans {
///     fn name(&self) -> &str { "plans" }
///     fn on_finish(&self, record: &Record) {
///         assert_eq!(record.fields.get("user.plan"), Some(&Value::from("pro")));
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().sink(Plans).build()?;
/// let observation = observer.start(&RequestHead::new("GET", "/", &()));
/// observation.work().set("user.plan", "pro");
/// observation.finish(Outcome::Completed);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    entries: Vec<(Cow<'static, str>, Value)>,
    /// A filter of the keys.
    filter: NameFilter,
    hash_of_names: u64,
    bytes: usize,
    dropped: u32,
}

impl Fields {
    /// Makes room for this number of fields.
    #[cfg(feature = "logs")]
    pub(crate) fn reserve(&mut self, fields: usize) {
        self.entries.reserve(fields.min(MAX_FIELDS));
    }

    /// Sets `key` to `value` and replaces its earlier value. A text that does not fit is cut and
    /// ends with `…`. `Value::Absent` removes the field.
    pub(crate) fn set(&mut self, key: Cow<'static, str>, value: Value) {
        let hash = FxBuildHasher.hash_one(&*key);
        let position = if self.filter.may_have(hash) { self.position(&key) } else { None };
        let freed = position
            .and_then(|at| self.entries.get(at))
            .map_or(0, |(key, old)| key.len().saturating_add(old.bytes()));
        let others = self.bytes.saturating_sub(freed).saturating_add(key.len());
        let room = MAX_FIELD_BYTES.saturating_sub(others);
        let value = match value {
            Value::Absent => return self.remove(position),
            Value::Str(text) if text.len() > room && room >= WORTH_CUTTING => {
                Value::Str(cow_bounded(text, room))
            }
            value => value,
        };
        let bytes = others.saturating_add(value.bytes());
        if bytes > MAX_FIELD_BYTES || (position.is_none() && self.entries.len() >= MAX_FIELDS) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes = bytes;
        match position.and_then(|at| self.entries.get_mut(at)) {
            Some(entry) => entry.1 = value,
            None => {
                self.filter.add(hash);
                self.hash_of_names = hash_of_both(self.hash_of_names, hash);
                self.entries.push((key, value));
            }
        }
    }

    /// Removes the field at this position. The filter keeps its name, which does no harm.
    #[cold]
    #[inline(never)]
    fn remove(&mut self, position: Option<usize>) {
        let Some(position) = position else { return };
        let (key, value) = self.entries.remove(position);
        self.bytes = self.bytes.saturating_sub(key.len().saturating_add(value.bytes()));
        let names = self.entries.iter().map(|(key, _)| FxBuildHasher.hash_one(&**key));
        self.hash_of_names = names.fold(0, hash_of_both);
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|(other, _)| other == key)
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.value(self.position(key)?)
    }

    /// The bytes of memory that the fields take.
    #[cfg(feature = "logs")]
    pub(crate) fn memory(&self) -> usize {
        let entries = self.entries.capacity().saturating_mul(size_of::<(Cow<'static, str>, Value)>());
        entries.saturating_add(self.bytes)
    }

    /// The value of the field at index `place`.
    pub(crate) fn value(&self, place: usize) -> Option<&Value> {
        self.entries.get(place).map(|(_, value)| value)
    }

    /// The hash of all names in their order.
    pub(crate) const fn hash_of_names(&self) -> u64 {
        self.hash_of_names
    }

    /// Returns true if the fields have exactly these names, in this order.
    pub(crate) fn has_names(&self, names: &[&'static str]) -> bool {
        // Most names are the same static text, so the pointers are compared first.
        let same = |key: &str, name: &str| ptr::eq(key, name) || key == name;
        self.entries.len() == names.len()
            && self.entries.iter().zip(names).all(|((key, _), name)| same(key, name))
    }

    /// The names, if all of them are static texts of the program.
    pub(crate) fn own_names(&self) -> Option<Vec<&'static str>> {
        let own = |key: &Cow<'static, str>| match key {
            Cow::Borrowed(own) => Some(*own),
            Cow::Owned(_) => None,
        };
        self.entries.iter().map(|(key, _)| own(key)).collect()
    }

    /// All fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }

    /// The number of values that were dropped because the fields were full.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }
}

fn hash_of_both(first: u64, second: u64) -> u64 {
    let mut both = FxHasher::default();
    both.write_u64(first);
    both.write_u64(second);
    both.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::value::MAX_FIELD_BYTES;

    #[test]
    fn a_repeated_key_keeps_its_place_and_the_last_value() {
        let mut fields = Fields::default();
        fields.set("a".into(), 1_u8.into());
        fields.set("b".into(), 2_u8.into());
        fields.set("a".into(), "three".into());
        let all: Vec<_> = fields.iter().map(|(key, _)| key).collect();
        assert_eq!(all, ["a", "b"]);
        assert_eq!(fields.get("a"), Some(&Value::Str("three".into())));
        assert_eq!(fields.bytes, 1 + 5 + 1 + 8);
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let mut fields = Fields::default();
        for n in 0..100 {
            fields.set(format!("key{n}").into(), n.into());
        }
        assert_eq!(fields.iter().count(), MAX_FIELDS);
        assert_eq!(fields.dropped(), 36);
        fields.set("key0".into(), "x".repeat(MAX_FIELD_BYTES).into());
        let Some(Value::Str(cut)) = fields.get("key0") else { panic!("a text") };
        assert!(cut.ends_with("x…") && cut.len() < MAX_FIELD_BYTES, "cut, and visibly");
        fields.set("key1".into(), "x".repeat(100).into());
        assert_eq!(fields.get("key1"), Some(&Value::I64(1)), "no room: the old value stays");
        assert_eq!(fields.dropped(), 37);
    }

    #[test]
    fn names_are_compared_by_text_and_order() {
        let of = |names: &[&'static str]| {
            let mut fields = Fields::default();
            names.iter().for_each(|name| fields.set((*name).into(), 1.into()));
            fields
        };
        let fields = of(&["a", "b", "a"]);
        let elsewhere: &'static str = String::from("a").leak();
        assert_eq!(fields.own_names(), Some(vec!["a", "b"]));
        assert!(fields.has_names(&[elsewhere, "b"]));
        assert_eq!(fields.hash_of_names(), of(&[elsewhere, "b"]).hash_of_names());
        for others in [&["b", "a"][..], &["a"], &["a", "b", "c"], &["a", "c"], &[]] {
            assert!(!fields.has_names(others), "{others:?}");
            assert_ne!(fields.hash_of_names(), of(others).hash_of_names(), "{others:?}");
        }
        let mut fields = fields;
        fields.set("made".to_owned().into(), 1.into());
        assert_eq!(fields.own_names(), None);
    }

    proptest! {
        #[test]
        fn fields_behave_like_a_searched_list(settings in prop::collection::vec((0..90_u32, 0..9_i64), 0..200)) {
            let (mut fields, mut list) = (Fields::default(), Vec::<(String, Value)>::new());
            for (key, value) in settings {
                let (key, value) = (format!("key.{key}"), Value::from((value > 0).then_some(value)));
                fields.set(key.clone().into(), value.clone());
                if value == Value::Absent {
                    list.retain(|(other, _)| *other != key);
                } else if let Some((_, old)) = list.iter_mut().find(|(other, _)| *other == key) {
                    *old = value;
                } else if list.len() < MAX_FIELDS {
                    list.push((key, value));
                }
            }
            prop_assert!(fields.iter().eq(list.iter().map(|(key, value)| (key.as_str(), value))));
            let mut anew = Fields::default();
            list.into_iter().for_each(|(key, value)| anew.set(key.into(), value));
            prop_assert_eq!((fields.hash_of_names, fields.bytes), (anew.hash_of_names, anew.bytes));
        }
    }
}
