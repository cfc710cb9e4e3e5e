//! What is added to a request while it runs, by the application most of all.

use std::borrow::Cow;

use crate::{
    base::panic::PanicReport,
    record::{calls::Calls, error::ErrorReport, fields::Fields, identity::User, route::Route},
};

/// What may still be added while the request runs.
#[derive(Default)]
pub(crate) struct Enrichment {
    pub(crate) fields: Fields,
    pub(crate) error: Option<Box<ErrorReport>>,
    pub(crate) error_kind: Option<&'static str>,
    pub(crate) panic: Option<Box<PanicReport>>,
    pub(crate) route: Option<Route>,
    /// The handler or a layer further within named the route: the framework's view no longer counts.
    pub(crate) route_from_within: bool,
    pub(crate) stream: bool,
    pub(crate) user: Option<User>,
    pub(crate) flags: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub(crate) calls: Calls,
    /// What is written from now on is late.
    pub(crate) finished: bool,
}

impl Enrichment {
    /// The error with the kind that the handler gave it.
    pub(crate) fn take_error(&mut self) -> Option<Box<ErrorReport>> {
        let Some(kind) = self.error_kind else { return self.error.take() };
        let mut error = self.error.take().unwrap_or_else(|| ErrorReport::of_text(&kind).into());
        error.type_name = Some(kind);
        Some(error)
    }
}
