//! Header look-up that is independent of the framework's header map.

/// Looks up headers by name in the header map of any framework.
///
/// axum, hyper and tonic use `http` 1 and actix-web uses `http` 0.2, so the core depends on
/// neither. Implementations should not allocate for the names that the core looks up on every
/// request: `content-type`, `content-length`, `x-request-id`, `traceparent`, `tracestate`,
/// `baggage`.
///
/// ```
/// use obs_core::adapter::HeaderLookup;
///
/// struct Pairs(Vec<(&'static str, &'static str)>);
/// impl HeaderLookup for Pairs {
///     fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
///         for (_, value) in self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)) {
///             f(value.as_bytes());
///         }
///     }
/// }
/// let headers = Pairs(vec![("x-request-id", "a"), ("x-request-id", "b")]);
/// let first = obs_core::adapter::first_header(&headers, "X-Request-Id", |value| value.to_vec());
/// assert_eq!(first, Some(b"a".to_vec()));
/// ```
pub trait HeaderLookup {
    /// Calls `f` with each value of the header `name`, in the order in which they were sent. `name`
    /// may be in upper or lower case.
    ///
    /// Values are bytes, because a header need not be UTF-8.
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8]));

    /// Calls `f` with the name in lower case and the value of every header. The values of one name
    /// come in the order in which they were sent.
    ///
    /// Returns `false`, without calling `f`, if the headers cannot be listed. Listing them saves
    /// the core a look-up for each name.
    fn all<'a>(&'a self, _f: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
        false
    }
}

/// Reads the first value of a header with `read`; `None` if the header is absent.
#[inline]
pub fn first_header<T>(
    headers: &(impl HeaderLookup + ?Sized),
    name: &str,
    read: impl FnOnce(&[u8]) -> T,
) -> Option<T> {
    let mut read = Some(read);
    let mut found = None;
    headers.each(name, &mut |value| {
        if let Some(read) = read.take() {
            found = Some(read(value));
        }
    });
    found
}

/// Returns true for a token (RFC 9110 §5.6.2) that is short enough for the name of a header.
pub(crate) fn is_header_name(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(token)
}

/// Returns true for a text that every framework accepts as the value of a header.
fn is_header_value(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b))
}

/// Returns true for a header that an application may add to an answer. The server writes the
/// headers that state the length of the body.
pub(crate) fn is_free_header(name: &str, value: &str) -> bool {
    let frames = |frame: &str| name.eq_ignore_ascii_case(frame);
    is_header_name(name)
        && is_header_value(value)
        && !frames("content-length")
        && !frames("transfer-encoding")
}

/// Returns the first value of a header as a decimal number, such as `Content-Length` (RFC 9110
/// §8.6).
#[inline]
pub(crate) fn length_header(headers: &(impl HeaderLookup + ?Sized), name: &str) -> Option<u64> {
    first_header(headers, name, length).flatten()
}

pub(crate) fn length(value: &[u8]) -> Option<u64> {
    let digits = value.trim_ascii();
    let add = |number: u64, digit: &u8| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

/// A request without headers.
impl HeaderLookup for () {
    fn each(&self, _: &str, _: &mut dyn FnMut(&[u8])) {}

    fn all<'a>(&'a self, _: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
        true
    }
}
