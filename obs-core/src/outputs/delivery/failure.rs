//! The answer of a destination: what it has taken, or why it has not.

use std::{borrow::Cow, fmt, io, time::Duration};

/// The entries that a sink has taken of a batch: always the first ones. The others come again.
///
/// ```
/// use obs_core::output::Delivered;
///
/// let whole_batch = Delivered::all();
/// let first_ten = Delivered::first(10);
/// let with_losses = Delivered::all().rejected(2, "too old");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it says which entries are delivered"]
pub struct Delivered {
    pub(super) entries: usize,
    pub(super) rejected: usize,
    pub(super) reason: Cow<'static, str>,
}

impl Delivered {
    /// Says that the whole batch was taken.
    pub const fn all() -> Self {
        Self::first(usize::MAX)
    }

    /// Says that the first entries were taken. None at all is a failure.
    pub const fn first(entries: usize) -> Self {
        Self { entries, rejected: 0, reason: Cow::Borrowed("") }
    }

    /// Says that the destination dropped some of the entries that it has taken. They are counted as
    /// lost, and do not come again.
    pub fn rejected(mut self, entries: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        (self.rejected, self.reason) = (entries, reason.into());
        self
    }
}

/// The reason why a sink has taken nothing of a batch, and whether and when the same entries may be
/// tried again.
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
#[must_use = "it says whether and when to try again"]
pub struct Failure {
    pub(super) again: Again,
    pub(super) reason: Cow<'static, str>,
}

/// The time at which the same entries may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    Now,
    After(Duration),
}

impl Failure {
    /// The entries can never be delivered: they are dropped and counted, and the next batch is
    /// tried.
    pub fn never(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { again: Again::Never, reason: reason.into() }
    }

    /// Nothing speaks against another try. The output makes it after a pause of its own, which
    /// grows from try to try.
    pub fn now(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { again: Again::Now, reason: reason.into() }
    }

    /// The destination wants to be asked again after this time, of which at most 30 seconds are
    /// granted.
    ///
    /// A shutdown tries earlier, within its deadline.
    pub fn after(time: Duration, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { again: Again::After(time), reason: reason.into() }
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

/// An error of a file or a connection may pass.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::now(error.to_string())
    }
}
