//! Collected lines: they wait in memory until their request ends. The end of the request decides
//! whether they are written.
//!
//! | lines | are written if |
//! |---|---|
//! | below the level of the logs | the request fails, is slow, or asks for them |
//! | of a trace that sampling drops | a rule keeps the request's event, or the condition of the first row is true |

use std::{sync::Arc, time::Duration};

use super::{
    LogPipeline,
    line::{LineWork, MaskedLine},
};
use crate::{
    extension::sink::RecordSink,
    outputs::events::keep::Keep,
    record::{
        finished::{FinishedRequest, Record},
        kept_lines::{KeptLine, LinesBudget},
        log_level::LogLevel,
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
    /// True if lines below their level are collected.
    pub(super) by_level: bool,
    /// The decision about the events, if the lines follow it.
    pub(super) sampling: Option<Arc<Keep>>,
}

impl Collection {
    /// Collects a line of running work. Returns false if the work has ended.
    pub(super) fn add(&self, state: &WorkState, line: KeptLine) -> bool {
        let mut enrichment = state.lock();
        if enrichment.finished {
            return false;
        }
        let lines = enrichment.kept_lines();
        lines.map(|lines| lines.push(line, self.per_request, &self.budget)).is_some()
    }

    /// Returns true if a line that sampling drops may still be written at the end of its request.
    pub(super) fn decides_later(&self) -> bool {
        self.by_level || self.sampling.as_ref().is_some_and(|keep| keep.has_rules())
    }

    /// Returns true if the sampling of the work's trace drops lines of this level.
    pub(super) fn drops(&self, state: &WorkState, level: LogLevel) -> bool {
        level > LogLevel::Warn
            && self.sampling.as_ref().is_some_and(|keep| !keep.keeps_trace(&state.start.trace))
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
        let slow = || collection.slower_than.is_some_and(|limit| record.duration >= limit);
        let failed = || record.error_type().is_some() || record.panic.is_some();
        let all = lines.is_wanted() || (collection.by_level && (slow() || failed()));
        let kept = all || collection.sampling.as_ref().is_some_and(|keep| keep.rate(record).is_some());
        let (dropped, mut sampled_out) = (lines.dropped(), 0_u64);
        if all {
            self.0.not_collected.add(dropped.below_level);
        }
        let no_room = if kept { &self.0.not_collected } else { &self.0.sampled_out };
        no_room.add(dropped.sampled_out);
        let route = record.request().and_then(|FinishedRequest { end, .. }| end.route.clone());
        let work = || LineWork {
            start: record.start(),
            span_id: record.start().trace.span_id,
            route: route.clone(),
            ended: false,
        };
        for line in lines.iter() {
            if line.sampled_out {
                // It was counted when it was collected.
                if !kept {
                    sampled_out = sampled_out.saturating_add(1);
                    continue;
                }
            } else if all {
                self.0.count(line.level);
            } else {
                continue;
            }
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
        self.0.sampled_out.add(sampled_out);
    }
}
