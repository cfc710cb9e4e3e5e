//! Request ids: generated, or taken from a trusted caller.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    base::{clock, diagnostics, panic::catch, random, value::Value},
    http::headers::HeaderLookup,
    redact::Redactor,
    write::hex,
};

/// The longest request id that is accepted from a caller or a generator, in bytes.
pub const MAX_REQUEST_ID: usize = 128;

/// The bytes of a UUID in its hyphenated form.
const UUID_TEXT: usize = 36;

/// A valid request id: 1 to 128 bytes of `[A-Za-z0-9._:/+=@-]`.
///
/// Every value is safe to write into a header, a log line or a URL's path without escaping.
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
    /// Parses `bytes` as an id: 1 to 128 bytes, all of them allowed.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if let Ok(uuid) = <[u8; UUID_TEXT]>::try_from(bytes)
            && is_uuid(&uuid)
        {
            return Some(Self(IdText::Uuid(uuid)));
        }
        let allowed = |b: &u8| ALLOWED.get(usize::from(*b)).copied().unwrap_or_default();
        let valid = (1..=MAX_REQUEST_ID).contains(&bytes.len()) && bytes.iter().all(allowed);
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
    const fn is_uuid(&self) -> bool {
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
    pub(crate) fn uuid_v7(since_1970: Duration) -> Self {
        let mut random = [0; 10];
        random::fill(&mut random);
        let uuid = uuid::Builder::from_unix_timestamp_millis(clock::millis(since_1970), &random).into_uuid();
        Self(IdText::Uuid(hyphenated(uuid.into_bytes())))
    }
}

/// A UUID's text (RFC 9562 §4).
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

/// Returns a new id for a request without a valid one.
pub(crate) type IdGenerator = Box<dyn Fn() -> String + Send + Sync>;

/// The source of a request's id, and its header names.
pub(crate) struct IdPolicy {
    /// Header names in lower case. All are read, in this order; responses carry the first.
    headers: Vec<String>,
    trust_inbound: bool,
    generator: Option<IdGenerator>,
    /// True once the warning about an invalid generator was logged.
    warned: AtomicBool,
    /// The first name, parsed in advance: parsing it for each request would allocate.
    #[cfg(feature = "http")]
    response_name: http::HeaderName,
}

impl IdPolicy {
    /// Makes the policy. `headers` are valid header names, at least one.
    pub(crate) fn new(headers: Vec<String>, trust_inbound: bool, generator: Option<IdGenerator>) -> Self {
        Self {
            #[cfg(feature = "http")]
            response_name: headers
                .first()
                .and_then(|name| name.parse().ok())
                .unwrap_or(http::HeaderName::from_static("x-request-id")),
            headers,
            trust_inbound,
            generator,
            warned: AtomicBool::new(false),
        }
    }

    /// The header name for responses.
    pub(crate) fn response_header(&self) -> &str {
        self.headers.first().map_or("x-request-id", String::as_str)
    }

    #[cfg(feature = "http")]
    pub(crate) const fn response_name(&self) -> &http::HeaderName {
        &self.response_name
    }

    /// Returns the caller's id if it is trusted, valid and contains no secret; otherwise a new id.
    pub(crate) fn choose(
        &self,
        headers: &(impl HeaderLookup + ?Sized),
        redactor: &Redactor,
        since_1970: Duration,
    ) -> RequestId {
        if self.trust_inbound
            && let Some(id) = self.inbound(headers)
            && (id.is_uuid() || matches!(redactor.text(id.as_str()), Cow::Borrowed(_)))
        {
            return id;
        }
        self.generated().unwrap_or_else(|| RequestId::uuid_v7(since_1970))
    }

    /// Returns an id from the application's generator, if it is valid.
    fn generated(&self) -> Option<RequestId> {
        let generate = self.generator.as_ref()?;
        let id = catch(generate).ok().and_then(|text| RequestId::parse(text.as_bytes()));
        if id.is_none() && !self.warned.swap(true, Ordering::Relaxed) {
            diagnostics::warn(format_args!(
                "the request id generator panicked or returned an id that is not 1 to {MAX_REQUEST_ID} bytes of \
                 [A-Za-z0-9._:/+=@-]; UUIDs are used instead"
            ));
        }
        id
    }

    /// Returns the first valid value of the first header that has one.
    fn inbound(&self, headers: &(impl HeaderLookup + ?Sized)) -> Option<RequestId> {
        let mut found = None;
        for name in &self.headers {
            headers.each(name, &mut |value| {
                if found.is_none() {
                    found = RequestId::parse(value);
                }
            });
            if found.is_some() {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn redactor() -> Redactor {
        crate::redact::settings::Redaction::new().build().expect("valid")
    }

    struct Pairs<'a>(&'a [(&'a str, &'a [u8])]);
    impl HeaderLookup for Pairs<'_> {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value));
        }
    }

    fn policy(names: &[&str]) -> IdPolicy {
        IdPolicy::new(names.iter().map(|name| (*name).to_owned()).collect(), true, None)
    }

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

    #[test]
    fn names_are_tried_in_order_and_invalid_values_skipped() {
        let headers = Pairs(&[("b", b"from-b"), ("a", b"not valid"), ("a", b"from-a")]);
        let now = Duration::from_secs(1_795_000_000);
        assert_eq!(policy(&["a", "b"]).choose(&headers, &redactor(), now).as_str(), "from-a");
        assert_eq!(policy(&["b", "a"]).choose(&headers, &redactor(), now).as_str(), "from-b");
        assert_eq!(policy(&["c"]).choose(&headers, &redactor(), now).as_str().len(), UUID_TEXT);
    }

    #[test]
    fn untrusted_callers_and_broken_generators_get_a_uuid() {
        let headers = Pairs(&[("a", b"mine")]);
        let now = Duration::from_secs(1_795_000_000);
        let mut untrusting = policy(&["a"]);
        untrusting.trust_inbound = false;
        assert_ne!(untrusting.choose(&headers, &redactor(), now).as_str(), "mine");
        untrusting.generator = Some(Box::new(|| "order-7".to_owned()));
        assert_eq!(untrusting.choose(&headers, &redactor(), now).as_str(), "order-7");
        untrusting.generator = Some(Box::new(|| "not valid".to_owned()));
        assert_eq!(untrusting.choose(&headers, &redactor(), now).as_str().len(), UUID_TEXT);
        untrusting.generator = Some(Box::new(|| panic!("a generator's own")));
        assert_eq!(untrusting.choose(&headers, &redactor(), now).as_str().len(), UUID_TEXT);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_id_exactly_if_short_and_allowed(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let valid = !bytes.is_empty()
                && bytes.len() <= 128
                && bytes.iter().all(|b| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/+=@-".contains(b));
            let parsed = RequestId::parse(&bytes);
            prop_assert_eq!(parsed.is_some(), valid);
            if let Some(id) = parsed {
                prop_assert_eq!(id.as_str().as_bytes(), &bytes[..]);
            }
        }

        #[test]
        fn what_is_allowed_survives(text in "[A-Za-z0-9._:/+=@-]{1,128}") {
            let id = RequestId::parse(text.as_bytes());
            prop_assert_eq!(id.as_ref().map(RequestId::as_str), Some(&text[..]));
            prop_assert_eq!(id.map(|id| id.to_string()), Some(text));
        }

        #[test]
        fn one_wrong_byte_is_enough(text in "[A-Za-z0-9]{0,60}", wrong in any::<u8>(), at in 0usize..60) {
            prop_assume!(!allowed(wrong));
            let mut bytes = text.into_bytes();
            bytes.insert(at.min(bytes.len()), wrong);
            prop_assert!(RequestId::parse(&bytes).is_none());
        }
    }
}
