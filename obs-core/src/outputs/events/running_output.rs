//! An output whose thread runs. It takes events and pushes them into its queue.

use super::{
    line::{self, JsonLine},
    output::Filter,
    readable::Style,
};
use crate::{
    base::panic::catch,
    outputs::{delivery::batch::EntryFacts, destination::RunningDestination},
    record::{finished::Record, route::Route},
};

/// A running output.
pub(super) struct RunningOutput {
    /// The style of readable events. `None` for JSON.
    pub(super) readable: Option<Style>,
    pub(super) filter: Option<Filter>,
    pub(super) destination: RunningDestination,
}

impl RunningOutput {
    /// Returns true if the filter accepts the event, or if there is no filter.
    pub(super) fn wants(&self, record: &Record) -> bool {
        self.filter.as_ref().is_none_or(|filter| catch(|| filter(record)).unwrap_or(true))
    }

    /// Pushes the event into the queue. `json` caches the event's JSON for all outputs.
    #[inline]
    pub(super) fn push(&self, event: &line::Event<'_>, json: &mut JsonLine) {
        if let Some(style) = &self.readable {
            return self.push_line(&style.line(event), event.record);
        }
        let line = json.of(event);
        if self.destination.facts {
            return self.push_line(line, event.record);
        }
        self.destination.queue.push((line, None));
    }

    /// The push of a readable line or of an event with facts. It is separate from the common path,
    /// which stays small.
    #[inline(never)]
    fn push_line(&self, line: &[u8], record: &Record) {
        let facts = self.destination.facts.then(|| facts(record));
        self.destination.queue.push((line, facts.as_ref()));
    }
}

/// Returns the facts that accompany the event's bytes.
fn facts(record: &Record) -> EntryFacts {
    let start = record.start();
    let route = record.request().and_then(|request| request.end.route.as_ref());
    EntryFacts {
        since_1970: start.since_1970,
        trace_id: start.trace.trace_id,
        span_id: start.trace.span_id,
        kind: start.kind.as_str(),
        route: route.map(Route::as_str),
    }
}
