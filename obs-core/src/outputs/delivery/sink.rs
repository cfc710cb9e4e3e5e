//! The traits of event destinations, for batches with facts or for bytes only.

use std::io;

use super::{
    batch::Batch,
    failure::{Delivered, Failure},
    lines::LineBatch,
    worker::Outlet,
};

/// A destination that accepts events in batches, for
/// [`EventOutput::batches`](crate::EventOutput::batches).
///
/// It runs on the output's own thread, so it may block. Meanwhile events wait in the output's
/// queue, and neither other outputs nor requests are delayed. [`EventSink`] is the simpler trait
/// for destinations of bytes.
///
/// # Panics
/// A panic counts as a [`Failure::now`].
///
/// ```
/// use obs_core::{EventOutput, Observer, output::{Batch, BatchSink, Delivered, Failure}};
/// # fn post(_: &str, _: &[u8]) -> Result<u16, std::io::Error> { Ok(200) }
///
/// struct Bulk;
/// impl BatchSink for Bulk {
///     fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure> {
///         match post("http://search:9200/_bulk", batch.bytes())? {
///             200 => Ok(Delivered::all()),
///             429 | 503 => Err(Failure::after(std::time::Duration::from_secs(1), "busy")),
///             status => Err(Failure::never(format!("status {status}"))),
///         }
///     }
/// }
/// let events = EventOutput::batches(Bulk);
/// let observer = Observer::builder("shop").no_environment().events(events).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub trait BatchSink: Send + 'static {
    /// Accepts the first entries of a batch, and returns their number. The next call gets the
    /// others again.
    ///
    /// # Errors
    /// No entry was accepted. The failure says if and when the same entries are sent again.
    fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure>;

    /// Makes all accepted events as durable as possible. It is called at a shutdown, and when the
    /// last observer is dropped.
    ///
    /// # Errors
    /// An accepted event may not be durable. The shutdown then reports that not everything was
    /// flushed.
    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Does work that depends only on time. It is called about once a second, also if there is
    /// nothing to send.
    fn tick(&mut self) {}
}

/// A destination that accepts events as bytes, like a file or a socket, for
/// [`EventOutput::to`](crate::EventOutput::to).
///
/// It runs on the output's own thread, so it may block. Meanwhile events wait in the output's
/// queue, and neither other outputs nor requests are delayed. [`BatchSink`] is the trait for
/// destinations that need keys, labels or partitions.
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
/// let events = EventOutput::to(Counts(0));
/// let observer = Observer::builder("shop").no_environment().events(events).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub trait EventSink: Send + 'static {
    /// Accepts bytes of lines, and returns their number, as [`io::Write::write`] does. The next
    /// call gets the rest again.
    ///
    /// `lines` begins where the last call stopped, which may be in the middle of a line. It ends
    /// with a complete line.
    ///
    /// # Errors
    /// No byte was accepted. The same bytes are sent again after a pause that grows to a few
    /// seconds. New events wait in the queue as long as it has room. [`io::ErrorKind::Interrupted`]
    /// is retried at once.
    ///
    /// # Panics
    /// A panic counts as an error.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize>;

    /// Makes all accepted events as durable as possible. It is called at a shutdown, and when the
    /// last observer is dropped.
    ///
    /// # Errors
    /// An accepted event may not be durable. The shutdown then reports that not everything was
    /// flushed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Does work that depends only on time. It is called about once a second, also if there is
    /// nothing to write.
    fn tick(&mut self) {}
}

/// A sink of batches is an outlet of lines.
impl Outlet<LineBatch> for Box<dyn BatchSink> {
    fn send(&mut self, batch: &mut LineBatch) -> Result<Delivered, Failure> {
        (**self).send(&batch.rest())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        (**self).flush()
    }

    fn tick(&mut self) {
        (**self).tick();
    }
}
