//! Lines of a log.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tracing_subscriber::fmt::MakeWriter;

/// Takes lines as standard output would, but without its lock and the kernel.
#[derive(Clone, Default)]
pub(in crate::settings::peers) struct Lines(Arc<AtomicU64>);

impl Lines {
    pub(in crate::settings::peers) fn check(&self, expected: u64) {
        assert_eq!(self.0.load(Relaxed), expected, "not every request has left its lines");
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(bytes.iter().filter(|byte| **byte == b'\n').count() as u64, Relaxed);
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
