//! A map that is read on every request and written only a few times in the life of a process.

use std::{
    borrow::Borrow,
    hash::{BuildHasher as _, Hash},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustc_hash::FxBuildHasher;

/// A map whose entries are added but never removed, and whose readers never wait.
///
/// Each place of a table is written once. So a read costs a few loads, from cache lines that nobody
/// writes to any more.
///
/// If three quarters of a table are full, the next table has twice its size and the same entries.
/// Old tables stay for readers that still use them; together they are no larger than the newest
/// one. The hash function is the fastest available: keys come from code or are few, so an attacker
/// cannot create many keys with one hash.
pub(crate) struct ReadMostly<K, V> {
    tables: [OnceLock<Table<K, V>>; TABLES],
    /// The index of the table that has all entries.
    current: AtomicUsize,
    count: AtomicUsize,
    /// The lock for adding an entry.
    adding: Mutex<()>,
}

/// A hash table with linear probing: from the place of its hash, a key is at the first place that
/// is free or has the key.
type Table<K, V> = Box<[OnceLock<(K, V)>]>;

/// The size of the first table: a power of two.
const FIRST: usize = 16;

/// The maximum number of tables. The last one has 2 million places, and no limit of entries is so
/// large.
const TABLES: usize = 18;

impl<K: Hash + Eq + Clone, V: Clone> ReadMostly<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            tables: [const { OnceLock::new() }; TABLES],
            current: AtomicUsize::new(0),
            count: AtomicUsize::new(0),
            adding: Mutex::new(()),
        }
    }

    /// Reads the value of `key`; `None` if the key is absent.
    #[inline]
    pub(crate) fn read<Q, T>(&self, key: &Q, read: impl FnOnce(&V) -> T) -> Option<T>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        place(self.table(), key)?.get().map(|(_, value)| read(value))
    }

    /// Returns the value of `key`. `make` creates it if the key is absent, from the number of
    /// entries before it. Call [`read`](Self::read) first: this function is slow.
    ///
    /// Returns `None` if the key is absent and there are already `limit` entries.
    pub(crate) fn get_or_insert(&self, key: K, limit: usize, make: impl FnOnce(usize) -> V) -> Option<V> {
        // A full map is read without waiting for the lock.
        let _adding =
            (self.len() < limit).then(|| self.adding.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(value) = self.read(&key, V::clone) {
            return Some(value);
        }
        let before = self.len();
        if before >= limit {
            return None;
        }
        let value = make(before);
        let table = self.with_room(before)?;
        let _ = place(table, &key)?.set((key, value.clone()));
        self.count.store(before.saturating_add(1), Ordering::Release);
        Some(value)
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Returns all current values, in no order.
    #[cfg(test)]
    pub(crate) fn values(&self) -> Vec<V> {
        self.table().iter().filter_map(OnceLock::get).map(|(_, value)| value.clone()).collect()
    }

    /// Returns the current table, which is empty before the first entry.
    fn table(&self) -> &[OnceLock<(K, V)>] {
        let current = self.tables.get(self.current.load(Ordering::Acquire));
        current.and_then(OnceLock::get).map(|table| &**table).unwrap_or_default()
    }

    /// Returns a table with `count` entries and a free place for another one.
    #[inline(never)]
    fn with_room(&self, count: usize) -> Option<&[OnceLock<(K, V)>]> {
        let old = self.table();
        if count.saturating_mul(4) < old.len().saturating_mul(3) {
            return Some(old);
        }
        let size = old.len().saturating_mul(2).max(FIRST);
        let new: Table<K, V> = (0..size).map(|_| OnceLock::new()).collect();
        for (key, value) in old.iter().filter_map(OnceLock::get) {
            let _ = place(&new, key)?.set((key.clone(), value.clone()));
        }
        let next = self.current.load(Ordering::Acquire).saturating_add(usize::from(!old.is_empty()));
        let table = self.tables.get(next)?.get_or_init(|| new);
        self.current.store(next, Ordering::Release);
        Some(table)
    }
}

/// Returns the place of the key, or the free place for it.
#[inline]
fn place<'a, K, V, Q>(table: &'a [OnceLock<(K, V)>], key: &Q) -> Option<&'a OnceLock<(K, V)>>
where
    K: Borrow<Q>,
    Q: Hash + Eq + ?Sized,
{
    let last = table.len().checked_sub(1)?;
    let mut at = FxBuildHasher.hash_one(key) as usize & last;
    loop {
        let place = table.get(at)?;
        match place.get() {
            Some((other, _)) if other.borrow() != key => at = at.wrapping_add(1) & last,
            _ => return Some(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn all_values_are_found_while_the_map_grows() {
        let map = ReadMostly::new();
        for n in 0..1_000 {
            assert_eq!(map.read(&n, |value: &usize| *value), None);
            assert_eq!(map.get_or_insert(n, 10_000, |before| before), Some(n));
            assert!((0..=n).all(|n| map.read(&n, |value| *value) == Some(n)));
        }
        let mut values = map.values();
        values.sort_unstable();
        assert!(values.into_iter().eq(0..1_000));
    }

    #[test]
    fn each_value_is_created_once_by_concurrent_callers() {
        let map = ReadMostly::new();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..2_000_usize {
                        let make = |_| made.fetch_add(1, Ordering::Relaxed);
                        let value = map.get_or_insert(n, 10_000, make);
                        assert_eq!(map.read(&n, |value| *value), value);
                    }
                });
            }
        });
        assert_eq!((made.into_inner(), map.len(), map.values().len()), (2_000, 2_000, 2_000));
    }
}
