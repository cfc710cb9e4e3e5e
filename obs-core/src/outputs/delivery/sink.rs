//! Destinations of events: batches with facts, or bytes alone.

use std::io;

use super::{
    batch::Batch,
    failure::{Delivered, Failure},
    lines::LineBatch,
    worker::Outlet,
};

/// A destination of events that takes them in batches: for
/// [`EventOutput::batches`](crate::EventOutput::batches).
///
/// It is called from a thread of the output's own, so it may block; while it does, events wait in
/// the output's queue, and no other output and no request is held up. [`EventSink`] is the simple
/// form for destinations that take bytes.
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
///             status => Err(Failure::never(format!("it answers {status}"))),
///         }
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().events(EventOutput::batches(Bulk)).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub trait BatchSink: Send + 'static {
    /// Takes the first entries of a batch, and returns how many. The others come again with the
    /// next call.
    ///
    /// # Errors
    /// Nothing was taken. The failure says whether and when the same entries come again.
    fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure>;

    /// Makes everything that was taken as durable as it can be: at a shutdown, and when the last
    /// observer is dropped.
    ///
    /// # Errors
    /// The shutdown reports that not everything was flushed.
    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Is called about once a second, also while there is nothing to send: for work that depends on
    /// time alone.
    fn tick(&mut self) {}
}

/// A destination of events that takes bytes, as a file or a socket does: for
/// [`EventOutput::to`](crate::EventOutput::to).
///
/// It is called from a thread of the output's own, so it may block; while it does, events wait in
/// the output's queue, and no other output and no request is held up. [`BatchSink`] is the form for
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
/// let observer = Observer::builder("shop").no_environment().events(EventOutput::to(Counts(0))).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub trait EventSink: Send + 'static {
    /// Takes bytes of lines, and returns how many it took, as [`io::Write::write`] does: the rest
    /// comes again with the next call.
    ///
    /// `lines` begins where the last call has stopped, which may be in the middle of a line, and
    /// ends with the end of a line.
    ///
    /// # Errors
    /// Nothing was taken: the same bytes come again, after a pause that grows up to some seconds,
    /// as long as the queue has room for what comes meanwhile. [`io::ErrorKind::Interrupted`] is
    /// tried again at once.
    ///
    /// # Panics
    /// A panic counts as an error.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize>;

    /// Makes everything that was taken as durable as it can be: at a shutdown, and when the last
    /// observer is dropped.
    ///
    /// # Errors
    /// The shutdown reports that not everything was flushed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Is called about once a second, also while there is nothing to write: for work that depends
    /// on time alone.
    fn tick(&mut self) {}
}

/// A sink of batches is the outlet of lines.
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
