//! The error of an extractor that finds no work.

use std::{error::Error, fmt};

use crate::{record::request_id::RequestId, trace::TraceContext, work::handle::Work};

/// The error of an extractor whose route no middleware of an observer is around.
///
/// It is a mistake of the program, which the first request shows, so it is answered with 500 and its text.
///
/// ```
/// use obs_core::adapter::NotObserved;
///
/// const MISSING: NotObserved = NotObserved::new("call `.observed(&observer)` on the router");
/// assert_eq!(MISSING.id(None), Err(MISSING));
/// assert!(MISSING.to_string().ends_with("call `.observed(&observer)` on the router"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotObserved {
    remedy: &'static str,
}

impl NotObserved {
    /// The error of an adapter whose middleware is added as `remedy` says.
    #[must_use]
    pub const fn new(remedy: &'static str) -> Self {
        Self { remedy }
    }

    /// The id of the work that an extractor has found in the request's extensions.
    ///
    /// # Errors
    /// This error if it has found none.
    pub fn id(self, found: Option<&Work>) -> Result<RequestId, Self> {
        found.and_then(Work::id).cloned().ok_or(self)
    }

    /// The place in its trace of the work that an extractor has found in the request's extensions.
    ///
    /// # Errors
    /// This error if it has found none.
    pub fn trace(self, found: Option<&Work>) -> Result<TraceContext, Self> {
        found.and_then(Work::trace).cloned().ok_or(self)
    }
}

impl fmt::Display for NotObserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no obs middleware is around this route: {}", self.remedy)
    }
}

impl Error for NotObserved {}
