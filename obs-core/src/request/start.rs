//! The entry point for requests: [`Observer::start`].

use crate::{
    http::head::RequestHead, observer::Observer, request::observation::Observation, work::handle::Work,
};

impl Observer {
    /// Starts the observation of a request.
    pub fn start(&self, head: &RequestHead<'_>) -> Observation {
        Observation::begin(self, head, None)
    }

    /// Starts the observation of a request that an outer layer of another observer also observes.
    ///
    /// `outer` is the handle that the outer layer put into the request's extensions. A handle
    /// without work counts as none.
    ///
    /// Both observations share the request's id and its trace position.
    pub fn start_within(&self, head: &RequestHead<'_>, outer: Option<&Work>) -> Observation {
        Observation::begin(self, head, outer.and_then(Work::state))
    }
}
