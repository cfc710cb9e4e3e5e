//! A sink for unit tests: it hands each record on.

use std::sync::mpsc::Sender;

use crate::{outputs::sink::RecordSink, record::finished::RequestRecord};

pub(crate) struct Records(pub(crate) Sender<RequestRecord>);

impl RecordSink for Records {
    fn name(&self) -> &'static str {
        "records"
    }

    fn on_finish(&self, record: &RequestRecord) {
        let _ = self.0.send(record.clone());
    }
}
