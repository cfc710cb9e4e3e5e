//! The door through which requests come in: [`Observer::start`].

use crate::{
    http::head::RequestHead, observer::Observer, request::observation::Observation, work::handle::Work,
};

impl Observer {
    /// Starts to observe a request.
    pub fn start(&self, head: &RequestHead<'_>) -> Observation {
        Observation::begin(self, head, None)
    }

    /// Starts to observe a request that another observer's layer further out observes, too. `outer` is the handle which that
    /// layer left in the request's extensions; one that belongs to no work counts as none.
    ///
    /// The request's id and its place in the trace are then shared.
    pub fn start_within(&self, head: &RequestHead<'_>, outer: Option<&Work>) -> Observation {
        Observation::begin(self, head, outer.and_then(Work::state))
    }
}
