//! An adapter that turns a sink of bytes into a sink of batches.

use std::io;

use super::{
    batch::Batch,
    failure::{Delivered, Failure},
    sink::{BatchSink, EventSink},
};

/// Writes batches to a sink of bytes, which may accept a part of a line.
pub(crate) struct ByteWriter<S> {
    sink: S,
    /// The number of bytes of the first entry that the sink has already accepted.
    begun: usize,
}

impl<S: EventSink> ByteWriter<S> {
    pub(crate) const fn new(sink: S) -> Self {
        Self { sink, begun: 0 }
    }
}

impl<S: EventSink> BatchSink for ByteWriter<S> {
    /// Writes until at least one entry is complete, and returns then, so progress is counted early.
    fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure> {
        loop {
            let (entries, bytes) = batch.whole_within(self.begun);
            if entries > 0 {
                self.begun = self.begun.saturating_sub(bytes);
                return Ok(Delivered::first(entries));
            }
            let rest = batch.bytes().get(self.begun..).unwrap_or_default();
            match self.sink.write(rest) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(taken) => self.begun = self.begun.saturating_add(taken.min(rest.len())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.sink.flush()?)
    }

    fn tick(&mut self) {
        self.sink.tick();
    }
}
