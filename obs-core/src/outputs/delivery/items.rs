//! A store of items that report their size.

use std::{collections::VecDeque, mem};

use super::{
    memory::kept,
    store::{Store, Taken},
};

/// The approximate limit of a batch in bytes. An outlet needs additional memory to encode and
/// compress a batch, while other items wait.
pub(crate) const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// An item that knows its size.
pub(crate) trait Weigh: Send + 'static {
    /// Returns its approximate size in bytes of memory.
    fn weight(&self) -> usize;
}

/// The waiting items.
pub(crate) struct ItemStore<T> {
    items: VecDeque<T>,
    bytes: usize,
}

impl<T> Default for ItemStore<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), bytes: 0 }
    }
}

impl<T: Weigh> ItemStore<T> {
    /// Returns the number of items that fit into one batch.
    fn fitting(&self, most: usize) -> usize {
        let most = most.min(self.items.len());
        if self.bytes <= BATCH_BYTES {
            return most;
        }
        let mut bytes = 0_usize;
        let fits = |item: &&T| {
            bytes = bytes.saturating_add(item.weight());
            bytes <= BATCH_BYTES
        };
        // An item that is too large forms its own batch.
        self.items.iter().take(most).take_while(fits).count().max(1)
    }
}

impl<T: Weigh> Store for ItemStore<T> {
    type Entry<'a> = T;
    type Batch = ItemBatch<T>;

    fn weight(item: &T) -> usize {
        item.weight()
    }

    fn len(&self) -> usize {
        self.items.len()
    }

    fn push(&mut self, item: T) {
        self.bytes = self.bytes.saturating_add(item.weight());
        self.items.push_back(item);
    }

    fn take(&mut self, batch: &mut ItemBatch<T>, most: usize) {
        let count = self.fitting(most);
        if count == self.items.len() {
            self.exchange(batch);
            batch.bytes = mem::take(&mut self.bytes);
        } else {
            batch.items.extend(self.items.drain(..count));
            batch.bytes = batch.items.iter().map(Weigh::weight).sum();
            self.bytes = self.bytes.saturating_sub(batch.bytes);
        }
        batch.left = count;
    }

    fn exchange(&mut self, batch: &mut ItemBatch<T>) {
        mem::swap(&mut self.items, &mut batch.items);
    }
}

/// A batch of items that the worker has taken.
pub(crate) struct ItemBatch<T> {
    items: VecDeque<T>,
    /// The number of items that are not settled. `items` is empty if they are already encoded.
    left: usize,
    bytes: usize,
}

impl<T> Default for ItemBatch<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), left: 0, bytes: 0 }
    }
}

impl<T> ItemBatch<T> {
    /// Returns the items of a new batch, which the outlet encodes once. `None` if the outlet has
    /// already encoded them.
    pub(crate) fn unpack(&mut self) -> Option<impl ExactSizeIterator<Item = T> + '_> {
        (!self.items.is_empty()).then(|| self.items.drain(..))
    }
}

impl<T: Weigh> Taken for ItemBatch<T> {
    fn len(&self) -> usize {
        self.left
    }

    /// Releases the bytes only when the whole batch is settled, because the outlet keeps it in
    /// memory until then.
    fn settle(&mut self, entries: usize) -> usize {
        self.left = self.left.saturating_sub(entries);
        if self.left == 0 { mem::take(&mut self.bytes) } else { 0 }
    }

    fn recycle(&mut self) {
        self.items.clear();
    }

    fn idle(&mut self) {
        self.items.shrink_to(kept::<T>());
    }
}
