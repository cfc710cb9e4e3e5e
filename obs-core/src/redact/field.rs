//! Redaction of the fields that handlers set.

use std::borrow::Cow;

use crate::base::{
    text::{cow_bounded, masked},
    value::{MAX_FIELD_BYTES, Value},
};
use crate::redact::{MASK, Redactor};

impl Redactor {
    /// Masks the secrets in the key and the value of a field.
    pub(crate) fn field(&self, key: Cow<'static, str>, value: Value) -> (Cow<'static, str>, Value) {
        let (key, secret) = match key {
            Cow::Borrowed(own) => (key, self.is_secret_own_name(own)),
            // A key that was created at run time may contain anything.
            Cow::Owned(_) => {
                let key = masked(key, |key| self.text(key));
                let secret = self.is_secret_name(&key);
                (key, secret)
            }
        };
        (key, if secret { mask_secret(value) } else { self.mask_value(value) })
    }

    /// Masks the secrets in a value whose name means no secret. Most values contain none and are
    /// unchanged.
    fn mask_value(&self, value: Value) -> Value {
        /// The smallest number that can be a card: cards have at least 13 digits.
        const SHORTEST_CARD: u64 = 1_000_000_000_000;
        match value {
            Value::Str(text) if text.len() > MAX_FIELD_BYTES || !self.finds_nothing(&text) => {
                // A text that is too long is cut before it is searched, because the search takes
                // time.
                let text = cow_bounded(text, MAX_FIELD_BYTES);
                Value::Str(masked(text, |text| self.text(text)))
            }
            Value::U64(number) if number >= SHORTEST_CARD => self.number(value, &number.to_string()),
            Value::I64(number) if number.unsigned_abs() >= SHORTEST_CARD => {
                self.number(value, &number.to_string())
            }
            Value::List(items) => self.list(items),
            harmless => harmless,
        }
    }

    /// Masks the secrets in a list. Items beyond the bound of all fields are dropped before they
    /// are searched, and replaced by `…`.
    #[cold]
    #[inline(never)]
    fn list(&self, items: Box<[Value]>) -> Value {
        let mut room = MAX_FIELD_BYTES;
        let mut masked = Vec::with_capacity(items.len().min(MAX_FIELD_BYTES));
        for item in items {
            let Some(left) = room.checked_sub(item.bytes()) else {
                masked.push(Value::Str("…".into()));
                break;
            };
            room = left;
            masked.push(self.mask_value(item));
        }
        Value::List(masked.into())
    }

    /// Masks a number that is a card.
    fn number(&self, number: Value, digits: &str) -> Value {
        let masked = self.text(digits);
        if masked == digits { number } else { Value::Str(masked.into_owned().into()) }
    }
}

/// Masks a value whose name means a secret. It still shows if the value is empty, and if a switch
/// is on or off.
fn mask_secret(value: Value) -> Value {
    match value {
        Value::Str(text) if text.is_empty() => Value::Str(text),
        Value::List(items) if items.is_empty() => Value::List(items),
        Value::Bool(_) | Value::Absent => value,
        _ => Value::Str(MASK.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_recognised_by_the_name_and_by_the_value() {
        let redactor = crate::redact::settings::Redaction::new().build().expect("valid");
        let mask = || Value::from(MASK);
        for (key, value, expected) in [
            ("plan", Value::from("pro"), Value::from("pro")),
            ("at", Value::from("2026-11-20T13:20:09Z"), Value::from("2026-11-20T13:20:09Z")),
            ("note", Value::from("for jane@example.com"), Value::from("for [REDACTED]")),
            ("password", Value::from("hunter2"), mask()),
            ("password", Value::from(""), Value::from("")),
            ("password", Value::from(true), Value::from(true)),
            ("pin", Value::from(4711), mask()),
            ("pin", Value::from(0.5), mask()),
            ("number", Value::from(4_111_111_111_111_111_u64), mask()),
            ("number", Value::from(4_111_111_111_111_111_i64), mask()),
            ("number", Value::from(4_111_111_111_111_112_u64), Value::from(4_111_111_111_111_112_u64)),
            ("number", Value::from(-3), Value::from(-3)),
            ("share", Value::from(0.25), Value::from(0.25)),
            ("none", Value::Absent, Value::Absent),
            ("password", Value::Absent, Value::Absent),
            ("to", ["pro", "jane@example.com"].into(), ["pro", MASK].into()),
            ("words", ["hunter2", "pro"].into(), ["hunter2", "pro"].into()),
            ("password", ["hunter2", "pro"].into(), mask()),
            ("password", Vec::<String>::new().into(), Vec::<String>::new().into()),
            ("nested", vec![vec!["jane@example.com"]].into(), vec![vec![MASK]].into()),
        ] {
            for name in [Cow::Borrowed(key), Cow::Owned(key.to_owned())] {
                assert_eq!(redactor.field(name, value.clone()), (key.into(), expected.clone()), "{value:?}");
            }
        }
        let key = Cow::Owned("jane@example.com".to_owned());
        assert_eq!(redactor.field(key, 1.into()), (MASK.into(), 1.into()));
    }

    #[test]
    fn a_value_that_is_too_long_is_cut_and_masked() {
        let redactor = crate::redact::settings::Redaction::new().build().expect("valid");
        let long = format!("jane@example.com {}", "x".repeat(MAX_FIELD_BYTES));
        let (_, Value::Str(text)) = redactor.field("note".into(), long.into()) else { panic!("a text") };
        assert!(text.starts_with(MASK) && text.ends_with("x…") && text.len() <= MAX_FIELD_BYTES);
        let long = vec!["x".repeat(MAX_FIELD_BYTES / 2); 9];
        let (_, Value::List(items)) = redactor.field("notes".into(), long.into()) else { panic!("a list") };
        assert_eq!((items.len(), items.last()), (3, Some(&Value::from("…"))));
    }
}
