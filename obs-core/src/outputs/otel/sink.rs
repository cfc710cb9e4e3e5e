//! Ends a request's span with its record.

use std::{sync::Arc, time::Duration};

use super::tracing::Tracing;
use crate::{
    outputs::sink::RecordSink,
    record::{finished::RequestRecord, identity::IdentityPolicy},
};

/// Its name.
pub(super) const SINK: &str = "spans";

pub(crate) struct SpanSink {
    tracing: Arc<Tracing>,
    identities: Arc<IdentityPolicy>,
}

impl SpanSink {
    pub(crate) const fn new(tracing: Arc<Tracing>, identities: Arc<IdentityPolicy>) -> Self {
        Self { tracing, identities }
    }
}

impl RecordSink for SpanSink {
    fn name(&self) -> &'static str {
        SINK
    }

    fn wants_starts(&self) -> bool {
        false
    }

    fn on_finish(&self, record: &RequestRecord) {
        if let Some(span) = record.state.span() {
            self.tracing.end(span, record, &self.identities);
        } else if record.endpoint && !record.is_quiet() {
            self.tracing.belated(record, &self.identities);
        }
    }

    fn flush(&self, deadline: Duration) -> bool {
        self.tracing.flush(deadline)
    }
}
