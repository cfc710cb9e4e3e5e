//! Request ids: their syntax, and the creation of new ids.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    base::{clock, random, value::Value},
    write::hex,
};

/// The longest request id that is accepted from a caller or a generator, in bytes.
pub const MAX_REQUEST_ID: usize = 128;

/// The bytes of a UUID in its hyphenated form.
const UUID_TEXT: usize = 36;

/// A valid request id: 1 to 128 bytes of `[A-Za-z0-9._:/+=@-]`, the first of which is none of
/// `+=@-`.
///
/// Every value is safe to write into a header, a log line or a URL's path without escaping, and a
/// spreadsheet does not read it as a formula.
/// Cloning allocates nothing.
///
/// ```
/// use obs_core::RequestId;
///
/// let id = RequestId::parse(b"01J9-abc").expect("valid");
/// assert_eq!(id.as_str(), "01J9-abc");
/// assert!(RequestId::parse(b"two words").is_none());
/// assert!(RequestId::parse(&[b'a'; 129]).is_none());
/// ```
#[derive(Clone)]
pub struct RequestId(IdText);

#[derive(Clone)]
enum IdText {
    /// An id of the default generator, without an allocation.
    Uuid([u8; UUID_TEXT]),
    Other(Arc<str>),
}

impl RequestId {
    /// Parses `bytes` as an id. The result is `None` unless there are 1 to 128 bytes, all of which
    /// are allowed in an id.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if let Ok(uuid) = <[u8; UUID_TEXT]>::try_from(bytes)
            && is_uuid(&uuid)
        {
            return Some(Self(IdText::Uuid(uuid)));
        }
        let allowed = |b: &u8| ALLOWED.get(usize::from(*b)).copied().unwrap_or_default();
        // A spreadsheet reads a text that starts so as a formula.
        let formula = matches!(bytes.first(), Some(b'+' | b'=' | b'@' | b'-'));
        let valid = (1..=MAX_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(allowed) && !formula;
        let text = std::str::from_utf8(bytes).ok().filter(|_| valid)?;
        Some(Self(IdText::Other(text.into())))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // All bytes are ASCII by construction, so the default is never used.
            IdText::Uuid(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
            IdText::Other(text) => text,
        }
    }

    /// The id's text as ASCII bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            IdText::Uuid(bytes) => bytes,
            IdText::Other(text) => text.as_bytes(),
        }
    }

    /// Returns true for a UUID, which cannot contain a secret.
    pub(super) const fn is_uuid(&self) -> bool {
        matches!(self.0, IdText::Uuid(_))
    }

    /// A placeholder for an id that is not known yet.
    pub(crate) const fn empty() -> Self {
        Self(IdText::Uuid([b'0'; UUID_TEXT]))
    }

    /// A UUID version 7 (RFC 9562 §5.7). Its first 48 bits are the milliseconds since 1970.
    ///
    /// The random bits come from the calling thread's generator, so threads share no lock.
    /// `Uuid::now_v7` takes a mutex of the whole process for its counter.
    #[inline]
    pub(crate) fn uuid_v7(since_1970: Duration) -> Self {
        let mut random = [0; 10];
        random::fill(&mut random);
        let uuid = uuid::Builder::from_unix_timestamp_millis(clock::millis(since_1970), &random).into_uuid();
        Self(IdText::Uuid(hyphenated(uuid.into_bytes())))
    }
}

/// A UUID's text (RFC 9562 §4).
#[inline]
fn hyphenated(uuid: [u8; 16]) -> [u8; UUID_TEXT] {
    let digits: [u8; 32] = hex::encode(&uuid);
    let mut text = [b'-'; UUID_TEXT];
    for (to, from) in [(0..8, 0..8), (9..13, 8..12), (14..18, 12..16), (19..23, 16..20), (24..36, 20..32)] {
        if let (Some(to), Some(from)) = (text.get_mut(to), digits.get(from)) {
            to.copy_from_slice(from);
        }
    }
    text
}

/// Returns true for the text of a UUID in upper or lower case, as most ids are.
fn is_uuid(text: &[u8; UUID_TEXT]) -> bool {
    let hyphens = [8, 13, 18, 23].iter().all(|at| text.get(*at) == Some(&b'-'));
    hyphens && hex::digits(text) == 32
}

/// The bytes that an id may contain. A table look-up is faster than the comparisons.
static ALLOWED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = allowed(byte as u8);
        byte += 1;
    }
    table
};

const fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'+' | b'=' | b'@' | b'-')
}

impl PartialEq for RequestId {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RequestId {}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl From<&RequestId> for Value {
    fn from(id: &RequestId) -> Self {
        Self::from(id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn uuid_v7_carries_its_time_version_and_variant() {
        let now = Duration::from_millis(0x0123_4567_89ab);
        let id = RequestId::uuid_v7(now);
        assert!(id.as_str().starts_with("01234567-89ab-7"), "{id}");
        let uuid = uuid::Uuid::parse_str(id.as_str()).expect("a UUID");
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn ids_of_one_millisecond_differ_across_threads() {
        let now = Duration::from_secs(1_795_000_000);
        let make = move || (0..10_000).map(|_| RequestId::uuid_v7(now).to_string()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(make)).collect();
        let all: HashSet<_> =
            threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        assert_eq!(all.len(), 40_000);
    }

    proptest! {
        #[test]
        fn bytes_are_an_id_if_they_are_few_and_allowed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let valid = !bytes.is_empty()
                && bytes.len() <= 128
                && !b"+=@-".contains(&bytes[0])
                && bytes.iter().all(|b| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/+=@-".contains(b));
            let parsed = RequestId::parse(&bytes);
            prop_assert_eq!(parsed.is_some(), valid);
            if let Some(id) = parsed {
                prop_assert_eq!(id.as_str().as_bytes(), &bytes[..]);
            }
        }

        #[test]
        fn a_valid_id_is_unchanged(text in "[A-Za-z0-9._:/][A-Za-z0-9._:/+=@-]{0,127}") {
            let id = RequestId::parse(text.as_bytes());
            prop_assert_eq!(id.as_ref().map(RequestId::as_str), Some(&text[..]));
            prop_assert_eq!(id.map(|id| id.to_string()), Some(text));
        }

        #[test]
        fn an_id_does_not_start_as_a_formula_does(first in "[+=@-]", rest in "[A-Za-z0-9._:/+=@-]{0,100}") {
            let text = [first, rest].concat();
            prop_assert!(RequestId::parse(text.as_bytes()).is_none());
        }

        #[test]
        fn one_invalid_byte_makes_an_id_invalid(text in "[A-Za-z0-9]{0,60}", wrong in any::<u8>(), at in 0usize..60) {
            prop_assume!(!allowed(wrong));
            let mut bytes = text.into_bytes();
            bytes.insert(at.min(bytes.len()), wrong);
            prop_assert!(RequestId::parse(&bytes).is_none());
        }
    }
}
