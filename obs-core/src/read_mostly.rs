//! A map that is read on every request and written a few times in a process's life.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use arc_swap::ArcSwap;

/// Readers load a snapshot and never wait; a writer copies it, so inserting costs the map's size.
///
/// A reader-writer lock would do with less memory, but its reader count is one cache line that
/// every core would write on every request.
pub(crate) struct ReadMostly<K, V> {
    snapshot: ArcSwap<HashMap<K, V>>,
    writer: Mutex<()>,
}

impl<K: Hash + Eq + Clone, V: Clone> ReadMostly<K, V> {
    pub(crate) fn new() -> Self {
        Self { snapshot: ArcSwap::from_pointee(HashMap::new()), writer: Mutex::new(()) }
    }

    pub(crate) fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.snapshot.load().get(key).cloned()
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
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.snapshot.load();
        if let Some(value) = current.get(&key) {
            return Some(value.clone());
        }
        if current.len() >= limit {
            return None;
        }
        let value = make(current.len());
        let mut next = HashMap::clone(&current);
        next.insert(key, value.clone());
        self.snapshot.store(next.into());
        Some(value)
    }

    /// All entries as they are now, in no order.
    pub(crate) fn entries(&self) -> Vec<(K, V)> {
        self.snapshot.load().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
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
        assert_eq!(map.get("a"), Some(0));
        assert_eq!(map.entries().len(), 2);
    }
}
