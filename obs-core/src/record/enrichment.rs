//! Data that is added to a request while it runs, mostly by the application.

use std::borrow::Cow;
#[cfg(feature = "logs")]
use std::sync::Arc;

#[cfg(feature = "logs")]
use crate::record::{kept_lines::KeptLines, tracing_span::RequestSpan};
use crate::{
    base::panic::PanicReport,
    record::{calls::Calls, error::ErrorReport, fields::Fields, identity::User, route::Route},
};

/// Data that may be added while the request runs.
#[derive(Default)]
pub(crate) struct Enrichment {
    pub(crate) fields: Fields,
    pub(crate) error: Option<Box<ErrorReport>>,
    pub(crate) error_kind: Option<&'static str>,
    pub(crate) panic: Option<Box<PanicReport>>,
    pub(crate) route: Option<Route>,
    /// The route of the path, for the log lines of a framework that names the route only with its
    /// response.
    #[cfg(feature = "logs")]
    pub(crate) expected_route: ExpectedRoute,
    /// The handler or an inner layer set the route, so the framework's route is ignored.
    pub(crate) route_from_within: bool,
    pub(crate) stream: bool,
    pub(crate) user: Option<User>,
    pub(crate) flags: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub(crate) calls: Calls,
    /// The log lines that are written only if the request fails.
    #[cfg(feature = "logs")]
    pub(crate) kept_lines: Option<Arc<KeptLines>>,
    /// The span of `tracing` that is open while the request runs.
    #[cfg(feature = "logs")]
    pub(crate) tracing_span: Option<RequestSpan>,
    /// The request has finished: writes from now on are late.
    pub(crate) finished: bool,
}

/// The route of a request's path, before the framework has named the route.
#[cfg(feature = "logs")]
#[derive(Default)]
pub(crate) enum ExpectedRoute {
    /// The path has no route, or the framework names it at the start.
    #[default]
    Unknown,
    /// The routes of a thread, where nobody has looked yet.
    OnThread(u64),
    Found(Route),
}

impl Enrichment {
    /// The collected log lines, which no record has yet.
    #[cfg(feature = "logs")]
    pub(crate) fn kept_lines(&mut self) -> Option<&mut KeptLines> {
        Arc::get_mut(self.kept_lines.get_or_insert_with(|| Arc::new(KeptLines::new())))
    }

    /// Takes the error, with the kind that the handler set.
    pub(crate) fn take_error(&mut self) -> Option<Box<ErrorReport>> {
        let Some(kind) = self.error_kind else { return self.error.take() };
        let mut error = self.error.take().unwrap_or_else(|| ErrorReport::of_text(&kind).into());
        error.type_name = Some(kind);
        Some(error)
    }
}
