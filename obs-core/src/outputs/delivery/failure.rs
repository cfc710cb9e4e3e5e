//! The result of sending a batch: the delivered entries, or a failure.

use std::{borrow::Cow, fmt, io, time::Duration};

/// The entries of a batch that a sink accepted, which are always the first ones. The others are
/// sent again.
///
/// ```
/// use obs_core::output::Delivered;
///
/// let whole_batch = Delivered::all();
/// let first_ten = Delivered::first(10);
/// let with_losses = Delivered::all().rejected(2, "too old");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "return it from the sink"]
pub struct Delivered {
    pub(super) entries: usize,
    pub(super) rejected: usize,
    pub(super) reason: Cow<'static, str>,
}

impl Delivered {
    /// Reports that the whole batch was accepted.
    pub const fn all() -> Self {
        Self::first(usize::MAX)
    }

    /// Reports that the first `entries` were accepted. Zero counts as a failure.
    pub const fn first(entries: usize) -> Self {
        Self { entries, rejected: 0, reason: Cow::Borrowed("") }
    }

    /// Reports that the destination rejected some of the accepted entries. They are counted as lost
    /// and are not sent again.
    pub fn rejected(mut self, entries: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        (self.rejected, self.reason) = (entries, reason.into());
        self
    }

    /// Limits the result to the entries that were sent.
    #[cfg(all(feature = "logs", feature = "otlp"))]
    pub(crate) fn of(self, entries: usize) -> Self {
        Self { entries: self.entries.min(entries), ..self }
    }
}

/// The reason why a sink accepted no entry of a batch. It also says if and when the same entries
/// are sent again.
///
/// ```
/// use std::time::Duration;
/// use obs_core::output::Failure;
///
/// let refused = Failure::never("400 Bad Request");
/// let unreachable = Failure::now("connection refused");
/// let busy = Failure::after(Duration::from_secs(5), "429 Too Many Requests");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "return it from the sink"]
pub struct Failure {
    pub(super) again: Again,
    pub(super) reason: Cow<'static, str>,
}

/// The time of the next attempt with the same entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    Now,
    After(Duration),
}

impl Failure {
    /// The entries can never be delivered. They are dropped and counted, and the next batch
    /// follows.
    pub fn never(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { again: Again::Never, reason: reason.into() }
    }

    /// The entries can be sent again. The output retries after a pause that grows with each
    /// attempt.
    pub fn now(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { again: Again::Now, reason: reason.into() }
    }

    /// The destination asks for a retry after this time. The output waits at most 30 seconds.
    ///
    /// During a shutdown, the retry happens earlier, within the deadline.
    pub fn after(time: Duration, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { again: Again::After(time), reason: reason.into() }
    }

    /// Turns a failure that never passes into a rejection of the entries that were sent, so that
    /// the others are sent.
    #[cfg(all(feature = "logs", feature = "otlp"))]
    pub(crate) fn reject(self, entries: usize) -> Result<Delivered, Self> {
        match self.again {
            Again::Never => Ok(Delivered::first(entries).rejected(entries, self.reason)),
            _ => Err(self),
        }
    }

    pub(super) fn may_pass(&self) -> bool {
        self.again != Again::Never
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

/// An error of a file or a connection may be temporary, so it is retried.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::now(error.to_string())
    }
}
