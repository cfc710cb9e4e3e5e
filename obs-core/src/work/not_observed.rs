//! The error of an extractor that finds no observed work.

use std::{error::Error, fmt};

use crate::{record::request_id::RequestId, trace::TraceContext, work::handle::Work};

/// The error of an extractor on a route without an obs middleware.
///
/// This is a mistake in the program, which the first request shows. The response is a 500 with the
/// error's text.
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
    /// Makes the error of an adapter. `remedy` says how to add its middleware.
    #[must_use]
    pub const fn new(remedy: &'static str) -> Self {
        Self { remedy }
    }

    /// Returns the id of the work that an extractor found in the request's extensions.
    ///
    /// # Errors
    /// Returns this error if the extractor found no work.
    pub fn id(self, found: Option<&Work>) -> Result<RequestId, Self> {
        found.and_then(Work::id).cloned().ok_or(self)
    }

    /// Returns the trace position of the work that an extractor found in the request's extensions.
    ///
    /// # Errors
    /// Returns this error if the extractor found no work.
    pub fn trace(self, found: Option<&Work>) -> Result<TraceContext, Self> {
        found.and_then(Work::trace).cloned().ok_or(self)
    }
}

impl fmt::Display for NotObserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the obs middleware is missing on this route: {}", self.remedy)
    }
}

impl Error for NotObserved {}
