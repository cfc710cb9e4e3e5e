//! A sink for unit tests that sends each record through a channel.

use std::sync::mpsc::Sender;

use crate::{
    extension::sink::RecordSink,
    record::{
        finished::{Record, RequestEnd},
        start::RequestStart,
    },
};

pub(crate) struct Records(pub(crate) Sender<Record>);

impl RecordSink for Records {
    fn name(&self) -> &str {
        "records"
    }

    fn on_finish(&self, record: &Record) {
        let _ = self.0.send(record.clone());
    }
}

/// Access to the parts of a request's record.
pub(crate) trait OfRequest {
    fn head(&self) -> &RequestStart;
    fn end(&self) -> &RequestEnd;
}

impl OfRequest for Record {
    fn head(&self) -> &RequestStart {
        self.request().expect("a request").start
    }

    fn end(&self) -> &RequestEnd {
        self.request().expect("a request").end
    }
}
