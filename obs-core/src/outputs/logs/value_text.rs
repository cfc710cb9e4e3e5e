//! The value of a field as a text, for formats that have only texts.

use std::borrow::Cow;

use crate::base::value::Value;

/// Returns the text of a value. A list is `[a, b]`.
pub(super) fn of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Str(text) => Cow::Borrowed(&**text),
        Value::Bool(value) => value.to_string().into(),
        Value::I64(value) => value.to_string().into(),
        Value::U64(value) => value.to_string().into(),
        Value::F64(value) => value.to_string().into(),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(of).collect();
            format!("[{}]", items.join(", ")).into()
        }
        Value::Absent => Cow::Borrowed(""),
    }
}
