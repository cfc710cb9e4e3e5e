//! A sink of events that passes bytes to any [`Write`].

use std::io::{self, Write};

use crate::outputs::delivery::sink::EventSink;

/// A sink that writes to a [`Write`].
pub(super) struct WriterSink<W> {
    writer: W,
    /// True if the writer may still buffer bytes.
    holds: bool,
}

impl<W> WriterSink<W> {
    pub(super) const fn new(writer: W) -> Self {
        Self { writer, holds: false }
    }
}

impl<W: Write + Send + 'static> EventSink for WriterSink<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.holds {
            self.flush()?;
        }
        let taken = self.writer.write(lines)?;
        self.holds = true;
        // The bytes are accepted even if the flush fails: after an error they would be written
        // again.
        let _ = self.flush();
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()?;
        self.holds = false;
        Ok(())
    }

    fn tick(&mut self) {
        if self.holds {
            let _ = self.flush();
        }
    }
}
