//! The extension `metrics` of a service that is built without the feature `metrics`. It only counts
//! the requests in flight, because a shutdown waits for them.

use std::sync::Arc;

use crate::{
    base::{
        build_error::BuildError,
        sharded::{Sharded, default_shards},
    },
    extension::{installation::Extension, setup::Setup, sink::RecordSink},
    record::{finished::Record, start::Start},
};

/// An extension that installs a [`InFlightSink`].
pub(crate) struct NoMetrics;

/// A sink that counts the requests in flight, and nothing else.
pub(crate) struct InFlightSink {
    in_flight: Sharded,
}

impl InFlightSink {
    /// Returns the number of requests that have started and not ended.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight.level(0)
    }
}

impl Extension for NoMetrics {
    fn name(&self) -> &str {
        "metrics"
    }

    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        let sink = Arc::new(InFlightSink { in_flight: Sharded::new(1, default_shards()) });
        setup.share(Arc::clone(&sink));
        setup.sink(sink);
        Ok(())
    }
}

impl RecordSink for InFlightSink {
    fn name(&self) -> &str {
        "metrics"
    }

    #[inline]
    fn on_start(&self, start: &Start) {
        if start.request().is_some() {
            self.in_flight.add(0, 1);
        }
    }

    #[inline]
    fn on_finish(&self, record: &Record) {
        if record.request().is_some() {
            self.in_flight.add(0, 1_u64.wrapping_neg());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        http::head::RequestHead,
        observer::Observer,
        outputs::events::output::EventOutput,
        record::{endpoint::Endpoint, outcome::Outcome},
    };

    #[test]
    fn a_service_without_metrics_counts_its_requests_in_flight() {
        let (output, events) = EventOutput::channel();
        let observer = Observer::builder("test").no_environment().events(output).build().expect("valid");
        let page = RequestHead::new("GET", Endpoint::Metrics.default_path(), &());
        assert!(observer.endpoint(&page).is_none(), "there is no page of metrics");
        let start = || observer.start(&RequestHead::new("GET", "/", &()));
        let (mut first, second) = (start(), start());
        assert_eq!(observer.in_flight(), 2);
        first.responded(200, &());
        first.finish(Outcome::Completed);
        assert_eq!(observer.in_flight(), 1);
        drop(second);
        assert_eq!(observer.in_flight(), 0);
        drop(observer);
        assert_eq!(events.count(), 2, "each request has its event");
    }
}
