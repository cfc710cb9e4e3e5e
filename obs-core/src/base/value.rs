//! The value of a field: a boolean, a number, a text or a list.

use std::borrow::Cow;

/// The maximum size of all keys and values of one request's fields, in bytes.
pub const MAX_FIELD_BYTES: usize = 16 * 1024;

/// The value of a field.
///
/// ```
/// use obs_core::Value;
/// assert_eq!(Value::from("pro"), Value::Str("pro".into()));
/// assert_eq!(Value::from(3_u32), Value::U64(3));
/// assert_eq!(Value::from(vec!["a", "b"]), Value::List(Box::new(["a".into(), "b".into()])));
/// assert_eq!(Value::from(None::<&str>), Value::Absent);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// A signed integer.
    I64(i64),
    /// An unsigned integer.
    U64(u64),
    /// A floating-point number. In JSON, it is `null` if it is not finite.
    F64(f64),
    /// A text.
    Str(Cow<'static, str>),
    /// A list. Its values may have different types.
    // A box, because a vector would make every value larger.
    List(Box<[Self]>),
    /// No value: the `None` of an option. A field that is set to it is removed.
    Absent,
}

impl Value {
    /// The number of bytes that count towards [`MAX_FIELD_BYTES`].
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Str(text) => text.len(),
            Self::List(items) => Self::bytes_of_list(items),
            _ => 8,
        }
    }

    #[cold]
    fn bytes_of_list(items: &[Self]) -> usize {
        items.iter().fold(8, |all, item| all.saturating_add(item.bytes()))
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident as $to:ty),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(<$to>::from(value))
            }
        }
    )*};
}

value_from! {
    bool => Bool as bool,
    i8 => I64 as i64, i16 => I64 as i64, i32 => I64 as i64, i64 => I64 as i64,
    u8 => U64 as u64, u16 => U64 as u64, u32 => U64 as u64, u64 => U64 as u64,
    f32 => F64 as f64, f64 => F64 as f64,
    String => Str as Cow<'static, str>,
    Cow<'static, str> => Str as Cow<'static, str>,
}

/// Copies the text. `Value::Str(Cow::Borrowed(..))` avoids the copy.
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(Cow::Owned(value.to_owned()))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::U64(value as u64)
    }
}

/// `None` becomes [`Value::Absent`].
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

/// Skips items that are [`Value::Absent`].
impl<T: Into<Self>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let items = items.into_iter().map(Into::into);
        Self::List(items.filter(|item| !matches!(item, Self::Absent)).collect())
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Into<Self>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<T: Clone + Into<Self>> From<&[T]> for Value {
    fn from(items: &[T]) -> Self {
        items.iter().cloned().collect()
    }
}
