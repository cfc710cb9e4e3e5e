//! The output of log lines.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tracing_subscriber::fmt::MakeWriter;

/// A writer that takes lines like standard output, but without its lock and without the kernel.
#[derive(Clone, Default)]
pub(in crate::settings::peers) struct Lines(Arc<Written>);

#[derive(Default)]
struct Written {
    lines: AtomicU64,
    /// One line, for a person to check.
    sample: OnceLock<Vec<u8>>,
}

/// The number of the sample line. It comes after the lines that a server writes when it starts.
const SAMPLE: u64 = 100;

impl Lines {
    /// Checks the number of written lines, and prints one of them to standard error.
    pub(in crate::settings::peers) fn check(&self, expected: u64) {
        let lines = self.0.lines.load(Relaxed);
        // A server writes a few lines of its own.
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
    /// Takes one or more whole lines.
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
