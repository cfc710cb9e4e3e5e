//! The place in which entries wait, and the batch into which the worker takes them.

/// A place in which entries wait for the worker of a queue.
///
/// All methods run under the queue's lock, so they are short.
pub(crate) trait Store: Default + Send + 'static {
    /// An entry as it is pushed.
    type Entry<'a>;
    /// The entries that the worker takes at once.
    type Batch: Taken;

    /// The bytes that an entry counts for.
    fn weight(entry: &Self::Entry<'_>) -> usize;

    /// The number of entries that wait.
    fn len(&self) -> usize;

    /// Adds an entry behind the others.
    fn push(&mut self, entry: Self::Entry<'_>);

    /// Moves the first entries into a batch that is empty, at most `most` of them.
    fn take(&mut self, batch: &mut Self::Batch, most: usize);

    /// Exchanges the memory of the store and of a batch, which are both empty: by turns the worker
    /// can free both.
    fn exchange(&mut self, batch: &mut Self::Batch);
}

/// Entries that the worker has taken.
pub(crate) trait Taken: Default {
    /// The number of entries that are not settled.
    fn len(&self) -> usize;

    /// Removes the first entries, and returns the bytes that count no longer.
    fn settle(&mut self, entries: usize) -> usize;

    /// Prepares the memory for the next batch, once all entries are settled.
    fn recycle(&mut self);

    /// Frees memory, because there is nothing to deliver.
    fn idle(&mut self);
}
