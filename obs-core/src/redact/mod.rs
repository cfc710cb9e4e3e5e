//! Nothing secret leaves: names that mean secrets, and secrets that are recognised by how they look.
//!
//! Whatever goes out as text (events, error messages, and later logs and spans) passes through one [`Redactor`].

pub(crate) mod field;
pub(crate) mod names;
pub(crate) mod patterns;
pub(crate) mod settings;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod url;
pub(crate) mod words;

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use names::Names;
use patterns::Patterns;

use crate::base::read_mostly::ReadMostly;

/// What stands in a text where a secret was.
pub(crate) const MASK: &str = "[REDACTED]";

/// The same in a URL, as OpenTelemetry's conventions write it.
const URL_MASK: &str = "REDACTED";

/// Takes secrets out of texts, values and URLs.
///
/// Made by [`Redaction::build`](crate::Redaction::build). Cloning it copies one `Arc`.
///
/// Whatever is handed in, no method panics, and each takes time in proportion to the text's length (patterns of your
/// own are as fast as the crate `regex-lite` is). What has no secret in it comes back borrowed.
///
/// ```
/// use obs_core::Redaction;
///
/// let redactor = Redaction::new().build()?;
/// assert_eq!(redactor.text("mail to jane@example.com bounced"), "mail to [REDACTED] bounced");
/// assert_eq!(redactor.value("db.password", "hunter2"), "[REDACTED]");
/// assert_eq!(redactor.query("page=2&token=abc"), "page=2&token=REDACTED");
/// assert_eq!(redactor.path("/users/jane%40example.com/orders"), "/users/REDACTED/orders");
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Redactor(Arc<Rules>);

struct Rules {
    names: Names,
    patterns: Patterns,
    /// Which names of the program's own code are secret, by where they are and how long: they stay there as long as it runs.
    own_names: ReadMostly<(usize, usize), bool>,
}

/// How many names of the program's own code are remembered.
const MAX_OWN_NAMES: usize = 1024;

impl Redactor {
    /// The text with each secret that is recognised by its looks replaced by `[REDACTED]`.
    ///
    /// ```
    /// # let redactor = obs_core::Redaction::new().build()?;
    /// let text = redactor.text("cannot reach postgres://app:hunter2@db/shop: Bearer mF_9.B5f-4.1JqM was refused");
    /// assert_eq!(text, "cannot reach postgres://[REDACTED]@db/shop: Bearer [REDACTED] was refused");
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.finds_nothing(text) {
            return Cow::Borrowed(text);
        }
        settled(text, MASK, |text| self.0.find(text))
    }

    /// Whether it is sure, without a closer look, that there is no secret in the text.
    pub(crate) fn finds_nothing(&self, text: &str) -> bool {
        self.0.patterns.cannot_match(text)
    }

    /// Whether this is the other one or a clone of it.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether what has this name is a secret.
    ///
    /// Names are read by their words, in any case: `api_key`, `X-Api-Key` and `apiKey` are one name, and `author` has
    /// nothing to do with `auth`.
    ///
    /// ```
    /// # let redactor = obs_core::Redaction::new().build()?;
    /// assert!(redactor.is_secret_name("X-Api-Key") && redactor.is_secret_name("refreshToken"));
    /// assert!(!redactor.is_secret_name("author") && !redactor.is_secret_name("keyboard.layout"));
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    pub fn is_secret_name(&self, name: &str) -> bool {
        self.0.names.is_secret(name)
    }

    /// The same of a name in the program's own code, which is read once.
    pub(crate) fn is_secret_own_name(&self, name: &'static str) -> bool {
        let place = (name.as_ptr().addr(), name.len());
        let known = self.0.own_names.read(&place, |secret| *secret);
        known.unwrap_or_else(|| {
            let secret = self.is_secret_name(name);
            let _ = self.0.own_names.get_or_insert(place, MAX_OWN_NAMES, |_| secret);
            secret
        })
    }

    /// A named value: `[REDACTED]` if the name means a secret, else as [`text`](Self::text) has it.
    ///
    /// ```
    /// # let redactor = obs_core::Redaction::new().build()?;
    /// assert_eq!(redactor.value("session", "4711"), "[REDACTED]");
    /// assert_eq!(redactor.value("plan", "pro"), "pro");
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    pub fn value<'a>(&self, name: &str, value: &'a str) -> Cow<'a, str> {
        if !value.is_empty() && self.is_secret_name(name) { Cow::Borrowed(MASK) } else { self.text(value) }
    }

    /// A URL's query, in which each value that is secret is `REDACTED`.
    ///
    /// It is secret if its key is, if its key is one of those that OpenTelemetry lists (`X-Amz-Signature`, `sig`, …), or if
    /// there is a secret in it by its looks, percent-encoded or not. All else stays as it is, byte for byte.
    ///
    /// ```
    /// # let redactor = obs_core::Redaction::new().build()?;
    /// let query = redactor.query("to=jane%40example.com&sig=9f86d0&q=%zz+a");
    /// assert_eq!(query, "to=REDACTED&sig=REDACTED&q=%zz+a");
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    pub fn query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        if self.0.is_off() {
            return Cow::Borrowed(query);
        }
        settled(query, URL_MASK, |query| url::in_query(&self.0, query))
    }

    /// A URL's path, in which each segment with a secret in it is `REDACTED`.
    ///
    /// ```
    /// # let redactor = obs_core::Redaction::new().build()?;
    /// assert_eq!(redactor.path("/cards/4111%201111%201111%201111/limit"), "/cards/REDACTED/limit");
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        if self.0.patterns.cannot_match(path) { Cow::Borrowed(path) } else { self.suspicious_path(path) }
    }

    #[inline(never)]
    fn suspicious_path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        settled(path, URL_MASK, |path| url::in_path(&self.0, path))
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Rules {
    /// Where the secrets are: in order, and none of them touch.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        self.patterns.find(text, &self.names)
    }

    fn is_off(&self) -> bool {
        self.patterns.is_off() && self.names.is_off()
    }
}

/// How often a text is looked through at most. It has settled after the second time, unless it was made not to.
const ROUNDS: usize = 4;

/// Masks what is found until nothing more is.
///
/// What stands right beside a secret may be one that could not be told before, such as an account number with a token
/// glued to its end. So a text that was redacted twice is the same as one that was redacted once.
fn settled<'a>(text: &'a str, mask: &str, find: impl Fn(&str) -> Vec<Range<usize>>) -> Cow<'a, str> {
    let mut settled = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        match masked(&settled, &find(&settled), mask) {
            Cow::Borrowed(_) => break,
            Cow::Owned(masked) => settled = Cow::Owned(masked),
        }
    }
    settled
}

/// The text with `mask` in the place of each range.
fn masked<'a>(text: &'a str, ranges: &[Range<usize>], mask: &str) -> Cow<'a, str> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    for range in ranges {
        out.push_str(text.get(kept..range.start).unwrap_or_default());
        out.push_str(mask);
        kept = range.end;
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}
