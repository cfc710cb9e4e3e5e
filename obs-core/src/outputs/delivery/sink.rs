//! What an output's lines are written to.

use std::io;

/// Where the events of an output go.
///
/// It is called from a thread of the output's own, so it may block; while it does, lines wait in the output's buffer, and
/// no other output and no request is held up.
///
/// ```
/// use std::io;
/// use obs_core::{EventOutput, Observer, output::EventSink};
///
/// struct Counts(u64);
/// impl EventSink for Counts {
///     fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
///         self.0 += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
///         Ok(lines.len())
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().events(EventOutput::to(Counts(0))).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub trait EventSink: Send + 'static {
    /// Takes bytes of lines, and says how many it took, as [`io::Write::write`] does: the rest comes again with the next call.
    ///
    /// `lines` begins where the last call has stopped, which may be in the middle of a line, and ends with the end of a line.
    ///
    /// # Errors
    /// Nothing was taken: the same bytes come again, after a pause that grows up to some seconds, as long as the buffer has room for
    /// what comes meanwhile. [`io::ErrorKind::Interrupted`] is tried again at once.
    ///
    /// # Panics
    /// Count as an error.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize>;

    /// Makes what was taken as durable as it can be: at a shutdown, and when the last observer is dropped.
    ///
    /// # Errors
    /// Then the shutdown says that not everything was flushed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Called about once a second, also while there is nothing to write: for what depends on time alone.
    fn tick(&mut self) {}
}
