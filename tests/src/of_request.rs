//! The parts of a record that is a request's.

use obs_core::output::{FinishedRequest, Record, RequestEnd, RequestStart};

/// Reads a record as that of a request, which all records of these tests are.
pub trait OfRequest {
    /// The request.
    fn finished(&self) -> FinishedRequest<'_>;

    /// Everything that its head said.
    fn head(&self) -> &RequestStart {
        self.finished().start
    }

    /// Everything that is known of its response.
    fn end(&self) -> &RequestEnd {
        self.finished().end
    }

    /// The route, or `unmatched`.
    fn route_label(&self) -> &'static str {
        self.finished().route_label()
    }

    /// The status for the labels of metrics.
    fn status_label(&self) -> u16 {
        self.finished().status_label()
    }
}

impl OfRequest for Record {
    fn finished(&self) -> FinishedRequest<'_> {
        self.request().expect("a request")
    }
}
