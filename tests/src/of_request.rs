//! The parts of a record that only requests have.

use obs_core::output::{FinishedRequest, Record, RequestEnd, RequestStart};

/// Access to the record of a request. All records of these tests are of requests.
pub trait OfRequest {
    /// The request.
    fn finished(&self) -> FinishedRequest<'_>;

    /// The facts from the head of the request.
    fn head(&self) -> &RequestStart {
        self.finished().start
    }

    /// The facts of the response.
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
