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
        self.flush()?;
        let taken = self.writer.write(lines)?;
        self.holds = true;
        // The bytes are accepted even if the flush fails: after an error they would be written
        // again.
        let _ = self.flush();
        Ok(taken)
    }

    /// Does nothing if the writer holds no bytes. So an output without lines never waits for
    /// another one that is stuck with the same standard output.
    fn flush(&mut self) -> io::Result<()> {
        if self.holds {
            self.writer.flush()?;
            self.holds = false;
        }
        Ok(())
    }

    fn tick(&mut self) {
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts its flushes. The first one fails.
    struct Flushes(usize);

    impl Write for Flushes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0 += 1;
            if self.0 == 1 { Err(io::Error::other("not yet")) } else { Ok(()) }
        }
    }

    #[test]
    fn a_writer_is_flushed_only_if_it_holds_bytes() {
        let mut sink = WriterSink::new(Flushes(0));
        sink.flush().expect("it holds nothing");
        assert_eq!(sink.writer.0, 0);
        assert_eq!(sink.write(b"line\n").expect("written"), 5);
        assert_eq!(sink.writer.0, 1, "the flush has failed");
        sink.tick();
        sink.flush().expect("it holds nothing");
        assert_eq!(sink.writer.0, 2);
    }
}
