//! The sink that ends a request's span when its record is finished.

use std::{sync::Arc, time::Duration};

use super::tracing::Tracing;
use crate::{extension::sink::RecordSink, record::finished::Record};

/// The name of the sink.
pub(super) const SINK: &str = "spans";

pub(crate) struct SpanSink {
    tracing: Arc<Tracing>,
}

impl SpanSink {
    pub(crate) const fn new(tracing: Arc<Tracing>) -> Self {
        Self { tracing }
    }
}

impl RecordSink for SpanSink {
    fn name(&self) -> &str {
        SINK
    }

    fn wants_starts(&self) -> bool {
        false
    }

    #[inline]
    fn on_finish(&self, record: &Record) {
        if let Some(span) = &record.state.span {
            self.tracing.end(span, record);
        } else if record.call().is_some() {
            self.tracing.export_call(record);
        } else if !record.excluded.spans
            && record.request().is_some_and(|request| request.end.endpoint)
            && !record.is_quiet()
        {
            self.tracing.export_late(record);
        }
    }

    fn flush(&self, deadline: Duration) -> bool {
        self.tracing.flush(deadline)
    }
}
