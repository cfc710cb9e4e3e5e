//! A batch of events for a sink.

use std::{
    fmt,
    iter::Zip,
    slice,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::trace::ids::{SpanId, TraceId};

/// The facts of an event that a sink may need in addition to its bytes. They are copied without an
/// allocation.
#[derive(Clone, Copy)]
pub(crate) struct EntryFacts {
    pub(crate) since_1970: Duration,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) kind: &'static str,
    pub(crate) route: Option<&'static str>,
}

/// Events for a [`BatchSink`](crate::output::BatchSink), in the order in which they were recorded.
/// There is at least one.
///
/// ```
/// use obs_core::{EventOutput, Observer, output::{Batch, BatchSink, Delivered, Failure}};
///
/// struct ByRoute;
/// impl BatchSink for ByRoute {
///     fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure> {
///         for event in batch {
///             let topic = event.route().unwrap_or("unmatched");
///             let key = event.trace_id().to_bytes();
///             println!("{topic}, partition {key:?}: {} bytes", event.bytes().len());
///         }
///         Ok(Delivered::all())
///     }
/// }
/// let events = EventOutput::batches(ByRoute);
/// let observer = Observer::builder("shop").no_environment().events(events).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    pub(super) bytes: &'a [u8],
    /// The end position of each entry.
    pub(super) ends: &'a [usize],
    /// The facts of the entries. Empty for a sink that reads only bytes.
    pub(super) facts: &'a [EntryFacts],
    /// The position of the first byte, on the same scale as `ends`.
    pub(super) base: usize,
}

impl<'a> Batch<'a> {
    /// Returns the number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns true if there are no entries. A sink never gets such a batch.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the bytes of all entries in sequence: lines, each with its line feed.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns an iterator over the entries.
    #[must_use]
    pub fn iter(&self) -> Entries<'a> {
        Entries { bytes: self.bytes, rest: self.ends.iter().zip(self.facts), base: self.base }
    }

    /// Returns the bytes of each entry, without its facts.
    pub fn each_bytes(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (bytes, mut begin) = (self.bytes, 0);
        let base = self.base;
        self.ends.iter().map(move |end| {
            let end = end.saturating_sub(base);
            let piece = bytes.get(begin..end).unwrap_or_default();
            begin = end;
            piece
        })
    }

    /// Returns the number of entries that end within the first `bytes` bytes, and the bytes of
    /// these entries.
    pub(super) fn whole_within(&self, bytes: usize) -> (usize, usize) {
        if bytes >= self.bytes.len() {
            return (self.ends.len(), self.bytes.len());
        }
        let end = self.base.saturating_add(bytes);
        let entries = self.ends.partition_point(|other| *other <= end);
        let last = entries.checked_sub(1).and_then(|last| self.ends.get(last));
        (entries, last.map_or(0, |last| last.saturating_sub(self.base)))
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("len", &self.len())
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for &Batch<'a> {
    type Item = Entry<'a>;
    type IntoIter = Entries<'a>;

    fn into_iter(self) -> Entries<'a> {
        self.iter()
    }
}

/// The entries of a [`Batch`]: see [`Batch::iter`].
#[derive(Clone)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    rest: Zip<slice::Iter<'a, usize>, slice::Iter<'a, EntryFacts>>,
    base: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (end, facts) = self.rest.next()?;
        let length = end.saturating_sub(self.base);
        let (bytes, rest) = self.bytes.split_at_checked(length).unwrap_or((self.bytes, &[]));
        (self.bytes, self.base) = (rest, *end);
        Some(Entry { bytes, facts: *facts })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl ExactSizeIterator for Entries<'_> {}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entries").field("left", &self.rest.len()).finish_non_exhaustive()
    }
}

/// An event of a [`Batch`], with the facts from which a sink chooses keys, labels and partitions.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    bytes: &'a [u8],
    facts: EntryFacts,
}

impl<'a> Entry<'a> {
    /// Returns the event in the output's format: one line with its line feed.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the start time of the work, which is also the time in the event.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(self.facts.since_1970).unwrap_or(UNIX_EPOCH)
    }

    /// Returns the trace to which the work belongs.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.facts.trace_id
    }

    /// Returns the span of the work. Together with the trace id it identifies the event.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        self.facts.span_id
    }

    /// Returns the kind of the work, which is also the kind in the event: `request`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.facts.kind
    }

    /// Returns the route of a request. `None` if no route matched, and for other kinds of work.
    #[must_use]
    pub const fn route(&self) -> Option<&'static str> {
        self.facts.route
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("bytes", &self.bytes.len())
            .field("kind", &self.kind())
            .field("route", &self.route())
            .finish_non_exhaustive()
    }
}
