//! The nesting of the application's fields: dots create objects, so `user.plan` becomes
//! `{"user":{"plan":…}}`.

use std::cmp::Ordering;

use super::template::{Hole, Template};
use crate::{
    base::sort::sort_by,
    record::fields::Fields,
    write::{buffer, json::Object},
};

/// The maximal depth of objects. Dots beyond it do not nest.
const MAX_DEPTH: usize = 8;

/// A field: the rest of its key, and its index among all fields.
type FieldEntry<'a> = (&'a str, usize);

/// Returns the template of these fields: the text around their values.
pub(super) fn template(fields: &Fields) -> Template {
    let mut entries: Vec<FieldEntry<'_>> = fields.iter().map(|(key, _)| key).zip(0..).collect();
    // Sorting by segments groups the fields of one object. Without dots, the order is kept.
    if entries.iter().any(|(key, _)| key.contains('.')) {
        sort_by(&mut entries, |(a, _), (b, _)| by_segments(a, b));
    }
    let mut holes = Vec::with_capacity(entries.len());
    let text = buffer::written(|out| {
        holes.clear();
        level(&mut Object::open(out), &entries, 1, &mut holes);
    });
    Template { text: text.into(), holes }
}

/// Compares two keys by their segments. A dot ends a segment, so it sorts before any other byte.
fn by_segments(a: &str, b: &str) -> Ordering {
    let differ = a.bytes().zip(b.bytes()).find(|(a, b)| a != b);
    match differ {
        Some((b'.', _)) => Ordering::Less,
        Some((_, b'.')) => Ordering::Greater,
        Some((a, b)) => a.cmp(&b),
        None => a.len().cmp(&b.len()),
    }
}

fn level(object: &mut Object<'_, '_>, entries: &[FieldEntry<'_>], depth: usize, holes: &mut Vec<Hole>) {
    let mut rest = entries;
    while let Some((first, _)) = rest.first() {
        let name = segment(first);
        let together = rest.iter().take_while(|(key, _)| segment(key) == name).count();
        let (group, after) = rest.split_at_checked(together).unwrap_or((rest, &[]));
        rest = after;
        // A key does not nest if another field has the object's name, if a name is empty, or if it
        // is too deep.
        let nests = depth < MAX_DEPTH
            && group.iter().all(|(key, _)| {
                key.len() > name.len() && is_nested_key(key.get(name.len()..).unwrap_or_default())
            })
            && !name.is_empty();
        if nests {
            let inner: Vec<FieldEntry<'_>> = group
                .iter()
                .map(|(key, field)| (key.get(name.len().saturating_add(1)..).unwrap_or_default(), *field))
                .collect();
            object.any_object(name, |object| level(object, &inner, depth.saturating_add(1), holes));
        } else {
            for (key, field) in group {
                holes.push(Hole { at: object.any_key(key), field: *field });
            }
        }
    }
}

fn segment(key: &str) -> &str {
    key.split('.').next().unwrap_or(key)
}

/// Returns true for a dot that is followed by a name, as in `.b.c`.
fn is_nested_key(rest: &str) -> bool {
    rest.strip_prefix('.').is_some_and(|rest| !rest.is_empty() && !rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::base::value::Value;

    fn nested(fields: &[(&str, i64)]) -> serde_json::Value {
        let mut all = Fields::default();
        fields.iter().for_each(|(key, value)| all.set((*key).to_owned().into(), Value::I64(*value)));
        let out = crate::write::buffer::written(|out| {
            let mut object = Object::open(out);
            super::super::template::write(&mut object, &all);
            object.close();
        });
        serde_json::from_slice(&out).unwrap_or_else(|_| panic!("JSON: {}", String::from_utf8_lossy(&out)))
    }

    proptest! {
        #[test]
        fn names_are_sorted_by_segments(a in "[a.\u{1}-]{0,8}|.{0,6}", b in "[a.\u{1}-]{0,8}|.{0,6}") {
            prop_assert_eq!(by_segments(&a, &b), a.split('.').cmp(b.split('.')));
        }
    }

    #[test]
    fn dots_create_objects() {
        let value =
            nested(&[("user.plan", 1), ("rows", 2), ("user.org.id", 3), ("user-agent", 4), ("user.age", 5)]);
        assert_eq!(
            value,
            json!({"rows": 2, "user-agent": 4, "user": {"age": 5, "org": {"id": 3}, "plan": 1}})
        );
    }

    #[test]
    fn names_that_cannot_nest_are_unchanged() {
        assert_eq!(nested(&[("a", 1), ("a.b", 2), ("a.c", 3)]), json!({"a": 1, "a.b": 2, "a.c": 3}));
        assert_eq!(
            nested(&[(".a", 1), ("a.", 2), ("b..c", 3), ("", 4)]),
            json!({".a": 1, "a.": 2, "b..c": 3, "": 4})
        );
        let deep = nested(&[(&"x.".repeat(5_000), 1)]);
        assert_eq!(deep["x"]["x"]["x"]["x"]["x"]["x"]["x"].as_object().map(serde_json::Map::len), Some(1));
    }

    /// Collects the values of all leaves.
    fn leaves(value: &serde_json::Value, found: &mut Vec<i64>) {
        match value {
            serde_json::Value::Object(object) => object.values().for_each(|value| leaves(value, found)),
            value => found.extend(value.as_i64()),
        }
    }

    proptest! {
        #[test]
        fn no_field_is_lost_or_repeated(keys in prop::collection::hash_set("[ab.]{0,12}", 0..40)) {
            let fields: Vec<_> = keys.iter().zip(0..).map(|(key, n)| (key.as_str(), n)).collect();
            let mut found = Vec::new();
            leaves(&nested(&fields), &mut found);
            found.sort_unstable();
            prop_assert_eq!(found, (0..fields.len() as i64).collect::<Vec<_>>());
        }
    }
}
