//! The traits of a queue's store and of the batch that the worker takes from it.

/// A store in which entries wait for the worker of a queue.
///
/// All methods run under the queue's lock, so they must be fast.
pub(crate) trait Store: Default + Send + 'static {
    /// A pushed entry.
    type Entry<'a>;
    /// The entries that the worker takes at once.
    type Batch: Taken;

    /// Returns the bytes for which an entry counts.
    fn weight(entry: &Self::Entry<'_>) -> usize;

    /// Returns the number of waiting entries.
    fn len(&self) -> usize;

    /// Appends an entry.
    fn push(&mut self, entry: Self::Entry<'_>);

    /// Moves the first entries, at most `most`, into an empty batch.
    fn take(&mut self, batch: &mut Self::Batch, most: usize);

    /// Exchanges the memory of the store and of a batch, both of which are empty. This lets the
    /// worker free the memory of both in turn.
    fn exchange(&mut self, batch: &mut Self::Batch);
}

/// A batch of entries that the worker has taken.
pub(crate) trait Taken: Default {
    /// Returns the number of entries that are not settled.
    fn len(&self) -> usize;

    /// Settles the first entries, and returns the bytes that no longer count.
    fn settle(&mut self, entries: usize) -> usize;

    /// Prepares the memory for the next batch, once all entries are settled.
    fn recycle(&mut self);

    /// Frees memory, because there is nothing to deliver.
    fn idle(&mut self);
}
