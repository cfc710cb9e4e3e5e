//! A batch of events as a sink sees it.

use std::{
    fmt,
    iter::Zip,
    slice,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::trace::ids::{SpanId, TraceId};

/// The facts of an event that a sink may need beside its bytes. They are copied, and nothing is
/// allocated for them.
#[derive(Clone, Copy)]
pub(crate) struct EntryFacts {
    pub(crate) since_1970: Duration,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) kind: &'static str,
    pub(crate) route: Option<&'static str>,
}

/// Events for a [`BatchSink`](crate::output::BatchSink), in the order in which they were recorded. There is
/// at least one.
///
/// ```
/// use obs_core::{EventOutput, Observer, output::{Batch, BatchSink, Delivered, Failure}};
///
/// struct ByRoute;
/// impl BatchSink for ByRoute {
///     fn send(&mut self, batch: &Batch<'_>) -> Result<Delivered, Failure> {
///         for event in batch {
///             let (topic, key) = (event.route().unwrap_or("unmatched"), event.trace_id().to_bytes());
///             println!("{} bytes for {topic}, partitioned by {key:?}", event.bytes().len());
///         }
///         Ok(Delivered::all())
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().events(EventOutput::batches(ByRoute)).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    pub(super) bytes: &'a [u8],
    /// The ends of the entries.
    pub(super) ends: &'a [usize],
    /// The facts of the entries; none for a sink that sees bytes alone.
    pub(super) facts: &'a [EntryFacts],
    /// The beginning of the bytes, as the ends count.
    pub(super) base: usize,
}

impl<'a> Batch<'a> {
    /// The number of its entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Says if it has no entry, which a sink never sees.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all entries, one behind the other: lines, each with its line feed.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its entries, one by one.
    #[must_use]
    pub fn iter(&self) -> Entries<'a> {
        Entries { bytes: self.bytes, rest: self.ends.iter().zip(self.facts), base: self.base }
    }

    /// The number of entries that end within the first `bytes`, and the bytes that these have.
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

/// An event of a [`Batch`], with the facts by which a sink chooses keys, labels and partitions.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    bytes: &'a [u8],
    facts: EntryFacts,
}

impl<'a> Entry<'a> {
    /// The event in the output's format: one line, with its line feed.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The time at which the work started, as the event has it.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(self.facts.since_1970).unwrap_or(UNIX_EPOCH)
    }

    /// The trace to which the work belongs.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.facts.trace_id
    }

    /// The span of the work. Together with the trace it is unique, so it identifies the event.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        self.facts.span_id
    }

    /// The kind of the work, as the event has it: `request`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.facts.kind
    }

    /// The route of a request; `None` if it matched none, and for other kinds of work.
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
