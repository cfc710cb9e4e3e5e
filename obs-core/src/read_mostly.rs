//! A map that is read on every request and written a few times in a process's life.

use std::{
    borrow::Borrow,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use rustc_hash::FxHashMap;

/// Readers look into a snapshot and never wait. A new entry first lives behind a lock; once such entries were asked for about as
/// often as the snapshot has entries, they go into a new snapshot, so that copying costs each of them only a few entries' copies.
///
/// A reader-writer lock would do with less memory, but its reader count is one cache line that
/// every core would write on every request. Keys are hashed as fast as can be: they come from code, or there are few of them, so nobody can
/// fill a bucket.
pub(crate) struct ReadMostly<K, V> {
    snapshot: ArcSwap<FxHashMap<K, V>>,
    young: Mutex<Young<K, V>>,
}

struct Young<K, V> {
    entries: FxHashMap<K, V>,
    /// How often one was looked for behind the lock.
    asked: usize,
}

/// No snapshot is made for less.
const LEAST: usize = 8;

impl<K: Hash + Eq + Clone, V: Clone> ReadMostly<K, V> {
    pub(crate) fn new() -> Self {
        let young = Young { entries: FxHashMap::default(), asked: 0 };
        Self { snapshot: ArcSwap::from_pointee(FxHashMap::default()), young: Mutex::new(young) }
    }

    /// Reads the value under `key` without a lock; `None` if it is not there, or too new.
    pub(crate) fn read<Q, T>(&self, key: &Q, read: impl FnOnce(&V) -> T) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.snapshot.load().get(key).map(read)
    }

    /// The value under `key`, made by `make` if it is not there; `None` if there are `limit` others already.
    ///
    /// `make` gets the number of entries before its own.
    pub(crate) fn get_or_insert(&self, key: K, limit: usize, make: impl FnOnce(usize) -> V) -> Option<V> {
        // A full map costs its readers no lock.
        let full = self.snapshot.load();
        if full.len() >= limit {
            return full.get(&key).cloned();
        }
        drop(full);
        let mut young = self.lock();
        let old = self.snapshot.load();
        if let Some(value) = old.get(&key) {
            return Some(value.clone());
        }
        let before = old.len().saturating_add(young.entries.len());
        let value = match young.entries.get(&key) {
            Some(value) => value.clone(),
            None if before >= limit => return None,
            None => {
                let value = make(before);
                young.entries.insert(key, value.clone());
                value
            }
        };
        young.asked = young.asked.saturating_add(1);
        let all = old.len().saturating_add(young.entries.len());
        if young.asked >= old.len().max(LEAST) || all >= limit {
            let mut next = FxHashMap::clone(&old);
            next.extend(young.entries.drain());
            young.asked = 0;
            self.snapshot.store(next.into());
        }
        Some(value)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        let young = self.lock();
        self.snapshot.load().len().saturating_add(young.entries.len())
    }

    /// All values as they are now, in no order.
    pub(crate) fn values(&self) -> Vec<V> {
        let young = self.lock();
        self.snapshot.load().values().chain(young.entries.values()).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Young<K, V>> {
        self.young.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::ReadMostly;

    #[test]
    fn inserts_once_and_stops_at_the_limit() {
        let map = ReadMostly::new();
        assert_eq!(map.get_or_insert("a", 2, |n| n), Some(0));
        assert_eq!(map.get_or_insert("a", 2, |_| 9), Some(0));
        assert_eq!(map.get_or_insert("b", 2, |n| n), Some(1));
        assert_eq!(map.get_or_insert("c", 2, |n| n), None);
        assert_eq!(map.read("a", |n| *n), Some(0));
        assert_eq!((map.len(), map.values().len()), (2, 2));
    }

    #[test]
    fn what_is_asked_for_often_needs_no_lock_soon() {
        let map = ReadMostly::new();
        for n in 0..1_000 {
            assert_eq!(map.get_or_insert(n, 10_000, |before| before), Some(n));
        }
        assert_eq!(map.len(), 1_000);
        for _ in 0..1_000 {
            map.get_or_insert(999, 10_000, |before| before);
        }
        assert_eq!(map.read(&999, |n| *n), Some(999));
    }
}
