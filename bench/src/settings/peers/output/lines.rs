//! Lines of a log.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tracing_subscriber::fmt::MakeWriter;

/// Takes lines as standard output would, but without its lock and the kernel.
#[derive(Clone, Default)]
pub(in crate::settings::peers) struct Lines(Arc<Written>);

#[derive(Default)]
struct Written {
    lines: AtomicU64,
    /// One of them, to be looked at.
    sample: OnceLock<Vec<u8>>,
}

/// Late enough that the server has said what it says when it starts.
const SAMPLE: u64 = 100;

impl Lines {
    /// So many lines were written, and one of them goes to standard error.
    pub(in crate::settings::peers) fn check(&self, expected: u64) {
        let lines = self.0.lines.load(Relaxed);
        // A server says a few words of its own.
        assert!(
            (expected..=expected + 10).contains(&lines),
            "{lines} lines where there should be {expected}"
        );
        if let Some(sample) = self.0.sample.get() {
            eprint!("{}", String::from_utf8_lossy(sample));
        }
    }
}

impl io::Write for Lines {
    /// Is given whole lines, one or more.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let before = self.0.lines.fetch_add(lines, Relaxed);
        if before <= SAMPLE && before + lines > SAMPLE {
            self.0.sample.get_or_init(|| bytes.to_vec());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}
