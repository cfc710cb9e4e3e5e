//! The thread that writes the buffer out.

use std::{
    io::{self, Write},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use super::buffer::{Batch, Buffer};
use crate::{diagnostics, metrics::Counter, panic::catch};

/// How long dropping the last observer waits for lines that are still buffered.
const DROP_FLUSH: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    buffer: Arc<Buffer>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        buffer: Arc<Buffer>,
        output: Box<dyn Write + Send>,
        written: Arc<Counter>,
        failed: Arc<Counter>,
    ) -> io::Result<Self> {
        let shared = Arc::clone(&buffer);
        let run = move || run(&shared, output, &written, &failed);
        let thread = thread::Builder::new().name("obs-events".to_owned()).spawn(run)?;
        Ok(Self { buffer, thread: Some(thread) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let flushed = self.buffer.flush(DROP_FLUSH);
        self.buffer.close();
        // A thread that hangs in a stuck output is left behind: it must not hold up the caller.
        if let Some(thread) = self.thread.take()
            && flushed
        {
            let _ = thread.join();
        }
    }
}

fn run(buffer: &Buffer, mut output: Box<dyn Write + Send>, written: &Counter, failed: &Counter) {
    let mut bytes = Vec::new();
    let mut torn = false;
    let mut warned = false;
    while let Batch::Lines(lines) = buffer.take(&mut bytes) {
        let write = || {
            if torn {
                // The last batch may have ended in the middle of a line.
                output.write_all(b"\n")?;
            }
            output.write_all(&bytes)?;
            output.flush()
        };
        // A writer of the user's own may panic; the lines after it still have a chance.
        let result = catch(write).unwrap_or_else(|_| Err(io::Error::other("the output panicked")));
        torn = result.is_err();
        match result {
            Ok(()) => written.add(lines),
            Err(error) => {
                failed.add(lines);
                if !warned {
                    warned = true;
                    diagnostics::warn(format_args!(
                        "events cannot be written ({error}); they are counted in `obs_events_dropped_total`"
                    ));
                }
            }
        }
        bytes.clear();
        buffer.settle(lines, !torn);
    }
}
