//! A shared value that is read on every request and replaced rarely.

use std::sync::{Arc, PoisonError, RwLock};

use crate::base::thread;

/// A value whose readers on different threads do not write to the same memory, and which can be
/// replaced.
///
/// Each shard has its own lock around its own reference. So a read costs two additions to a cache
/// line of this thread. A reader waits only while a reference is exchanged.
pub(crate) struct Replaceable<T> {
    shards: Box<[ShardLock<T>]>,
}

/// The alignment separates the shards: a processor fetches two cache lines at once.
#[repr(align(128))]
struct ShardLock<T>(RwLock<Arc<T>>);

impl<T> Replaceable<T> {
    /// Creates it with at least `shards` shards.
    pub(crate) fn new(value: T, shards: usize) -> Self {
        let value = Arc::new(value);
        let shard = |_| ShardLock(RwLock::new(Arc::clone(&value)));
        Self { shards: (0..shards.max(1).next_power_of_two()).map(shard).collect() }
    }

    /// Reads the current value.
    #[inline]
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> Option<R>) -> Option<R> {
        let shard = self.shards.get(thread::number() & self.shards.len().wrapping_sub(1))?;
        let value = shard.0.read().unwrap_or_else(PoisonError::into_inner);
        read(&value)
    }

    /// Replaces the value. No reader uses the old value when this returns.
    pub(crate) fn replace(&self, value: T) {
        let value = Arc::new(value);
        for shard in &self.shards {
            *shard.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_reads_the_new_value() {
        let value = Replaceable::new(1, 3);
        let read = || std::thread::scope(|scope| scope.spawn(|| value.read(|n| Some(*n))).join());
        assert!((0..8).all(|_| read().is_ok_and(|n| n == Some(1))));
        value.replace(2);
        assert!((0..8).all(|_| read().is_ok_and(|n| n == Some(2))));
    }
}
