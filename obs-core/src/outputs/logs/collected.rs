//! Lines after the fact: lines below their level are collected in memory, and written only if their
//! request fails, is slow, or asks for them.

use std::{sync::Arc, time::Duration};

use super::{
    LogPipeline,
    line::{LineWork, MaskedLine},
};
use crate::{
    extension::sink::RecordSink,
    record::{
        finished::{FinishedRequest, Record},
        kept_lines::{KeptLine, LinesBudget},
        state::WorkState,
    },
};

/// The limits of collected lines.
pub(super) struct Collection {
    /// The bytes for each request.
    pub(super) per_request: usize,
    /// The bytes for all requests.
    pub(super) budget: Arc<LinesBudget>,
    /// A request that takes longer writes its lines.
    pub(super) slower_than: Option<Duration>,
}

impl Collection {
    /// Collects a line of running work. Lines of work that has ended are dropped, because they are
    /// below their level.
    pub(super) fn add(&self, state: &WorkState, line: KeptLine) {
        let mut enrichment = state.lock();
        if !enrichment.finished
            && let Some(lines) = enrichment.kept_lines()
        {
            lines.push(line, self.per_request, &self.budget);
        }
    }
}

/// The sink that writes the collected lines of a request at its end.
pub(super) struct CollectedLines(pub(super) Arc<LogPipeline>);

impl RecordSink for CollectedLines {
    fn name(&self) -> &str {
        "logs"
    }

    fn wants_starts(&self) -> bool {
        false
    }

    fn on_finish(&self, record: &Record) {
        let Some(collection) = &self.0.collection else { return };
        let Some(lines) = &record.kept_lines else { return };
        let slow = collection.slower_than.is_some_and(|limit| record.duration >= limit);
        if !slow && !lines.is_wanted() && record.error_type().is_none() && record.panic.is_none() {
            return;
        }
        let route = record.request().and_then(|FinishedRequest { end, .. }| end.route.clone());
        let work = || LineWork { start: record.start(), route: route.clone(), ended: false };
        for line in lines.iter() {
            self.0.count(line.level);
            self.0.push(&MaskedLine {
                since_1970: line.since_1970,
                level: line.level,
                target: &line.target,
                message: &line.message,
                fields: line.fields.clone(),
                source: line.source.as_ref().map(|(file, number)| (&**file, *number)),
                work: Some(work()),
                collected: true,
            });
        }
        self.0.not_collected.add(lines.dropped());
    }
}
