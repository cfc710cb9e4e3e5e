//! Redaction: names that mean secrets, and secrets that are recognised by their form.
//!
//! The texts of records, in events, spans and error messages, pass through one [`Redactor`].
//!
//! Secrets are masked where texts enter, not where they are emitted: when a request starts, when a
//! handler sets a text, and when an error or a panic is reported. So no output can forget to mask
//! them, not even a user's own output.

pub(crate) mod diagnostics;
pub(crate) mod field;
pub(crate) mod letter_set;
pub(crate) mod names;
pub(crate) mod patterns;
pub(crate) mod secret_kind;
pub(crate) mod settings;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod url;
pub(crate) mod words;

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use names::SecretNames;
use patterns::Patterns;

use crate::base::read_mostly::ReadMostly;

/// The text that replaces a secret.
pub(crate) const MASK: &str = "[REDACTED]";

/// The text that replaces a secret in a URL, as in OpenTelemetry's conventions.
const URL_MASK: &str = "REDACTED";

/// Masks secrets in texts, values and URLs.
///
/// [`Redaction::build`](crate::Redaction::build) creates it. A clone only copies an `Arc`.
///
/// No method panics, for any input. Each takes time in proportion to the length of the text (your
/// own patterns are as fast as the crate `regex-lite`). A text without a secret is returned
/// borrowed.
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
    names: SecretNames,
    patterns: Patterns,
    /// The known answers for names in the program's own code. The key is the address and the length
    /// of a name, because a `'static` name never moves.
    own_names: ReadMostly<(usize, usize), bool>,
}

/// The maximum number of names in `own_names`.
const MAX_OWN_NAMES: usize = 1024;

impl Redactor {
    /// Replaces each secret that is recognised by its form with `[REDACTED]`.
    ///
    /// ```
    /// # let redactor = obs_core::Redaction::new().build()?;
    /// let text = redactor.text("postgres://app:hunter2@db/shop rejected Bearer mF_9.B5f-4.1JqM");
    /// assert_eq!(text, "postgres://[REDACTED]@db/shop rejected Bearer [REDACTED]");
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.finds_nothing(text) {
            return Cow::Borrowed(text);
        }
        mask_until_stable(text, MASK, |text| self.0.find(text))
    }

    /// Returns `true` if a quick check shows that the text contains no secret. `false` is no proof
    /// that there is one.
    pub(crate) fn finds_nothing(&self, text: &str) -> bool {
        self.0.patterns.cannot_match(text)
    }

    /// Returns `true` if both are clones of one redactor.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns `true` if a value with this name is a secret.
    ///
    /// Names are compared word by word. Upper and lower case are the same. So `api_key` and
    /// `apiKey` are the same name, `X-Api-Key` contains it, and `author` does not contain `auth`.
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

    /// Returns the same for a name in the program's own code, and remembers the answer.
    pub(crate) fn is_secret_own_name(&self, name: &'static str) -> bool {
        let place = (name.as_ptr().addr(), name.len());
        let known = self.0.own_names.read(&place, |secret| *secret);
        known.unwrap_or_else(|| {
            let secret = self.is_secret_name(name);
            let _ = self.0.own_names.get_or_insert(place, MAX_OWN_NAMES, |_| secret);
            secret
        })
    }

    /// Masks a named value: returns `[REDACTED]` if the name means a secret, otherwise masks it as
    /// [`text`](Self::text) does.
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

    /// Replaces each secret value in the query of a URL by `REDACTED`.
    ///
    /// A value is secret in one of these cases:
    ///
    /// - Its key means a secret.
    /// - Its key is one of a signature or of OAuth (`X-Amz-Signature`, `sig`, `code`, `state` …).
    /// - It contains a secret that is recognised by its form, percent-encoded or not.
    ///
    /// Everything else is unchanged, byte for byte.
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
        mask_until_stable(query, URL_MASK, |query| url::in_query(&self.0, query))
    }

    /// Masks the secrets in a URL: in its credentials, its path, its query and its fragment.
    pub(crate) fn url<'a>(&self, url: &'a str) -> Cow<'a, str> {
        let (before, fragment) = url.split_once('#').map_or((url, None), |(url, hash)| (url, Some(hash)));
        let (before, query) =
            before.split_once('?').map_or((before, None), |(path, query)| (path, Some(query)));
        // The credentials first, so that the rest of the host is kept.
        let path = self.text(before);
        let mut all = self.path(&path).into_owned();
        // A fragment may have the form of a query: OAuth passes tokens in it.
        for (mark, part) in [('?', query), ('#', fragment)] {
            if let Some(part) = part {
                all.push(mark);
                all.push_str(&self.query(part));
            }
        }
        if all == url { Cow::Borrowed(url) } else { Cow::Owned(all) }
    }

    /// Replaces a segment of a URL's path with `REDACTED` if the segment contains a secret.
    ///
    /// ```
    /// # let redactor = obs_core::Redaction::new().build()?;
    /// let path = redactor.path("/cards/4111%201111%201111%201111/limit");
    /// assert_eq!(path, "/cards/REDACTED/limit");
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        if self.0.patterns.cannot_match(path) { Cow::Borrowed(path) } else { self.mask_path(path) }
    }

    #[inline(never)]
    fn mask_path<'a>(&self, path: &'a str) -> Cow<'a, str> {
        mask_until_stable(path, URL_MASK, |path| url::in_path(&self.0, path))
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Rules {
    /// Returns the ranges of the secrets, in order. No two of them touch.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        self.patterns.find(text, &self.names)
    }

    fn is_off(&self) -> bool {
        self.patterns.is_off() && self.names.is_off()
    }
}

/// The maximum number of passes over a text. Two are enough, unless the text was crafted to need
/// more.
const ROUNDS: usize = 4;

/// Masks secrets until no more are found.
///
/// Masking one secret may reveal another one beside it, such as an account number with a token
/// directly after it. Repeated passes make sure that redacting a redacted text changes nothing.
fn mask_until_stable<'a>(
    text: &'a str,
    mask: &str,
    find: impl Fn(&str) -> Vec<Range<usize>>,
) -> Cow<'a, str> {
    let mut result = Cow::Borrowed(text);
    for _ in 0..ROUNDS {
        match masked(&result, &find(&result), mask) {
            Cow::Borrowed(_) => break,
            Cow::Owned(masked) => result = Cow::Owned(masked),
        }
    }
    result
}

/// Replaces each range of the text by `mask`.
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
