//! The series of one family up to a limit, and the overflow series for all further label sets.
//!
//! Clients choose the methods, statuses and endings of requests. They choose neither the routes nor
//! the methods that a route serves. So label sets that come from code have reserved places, which
//! other label sets cannot take: see [`Place`].
//!
//! At a scrape, a family that has refused a label set removes the series that were idle for
//! [`IDLE`]. Then other label sets get series again.

use std::{
    collections::HashSet,
    hash::Hash,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustc_hash::FxBuildHasher;

use super::series_key::SeriesKey;
use crate::{
    base::{counter::Counter, read_mostly::ReadMostly, replaceable::Replaceable},
    redact::diagnostics,
};

/// The time without an observation after which a series makes room for others.
pub(super) const IDLE: Duration = Duration::from_secs(600);

/// The number of kept places, as a multiple of the limit.
const KEPT: usize = 8;

/// The largest number of series. The map has room for them.
const CAPACITY: usize = 1_500_000;

/// The kind of place that a label set needs.
pub(super) enum Place<K = SeriesKey> {
    /// The place of the first label set with this key, beside the limit and for ever. The key has
    /// only facts that come from code. There are [`KEPT`] times as many such places as the limit.
    First(K),
    /// A place within the limit.
    Any,
    /// A place for a series with the value 0, which may never be used. There are half as many such
    /// places as the limit, beside it.
    Foreseen,
}

/// A series whose observations can be counted.
pub(super) trait Observable {
    fn observations(&self) -> u64;
}

/// The series of a family, by their labels.
pub(super) struct Limited<S, K = SeriesKey> {
    series: Replaceable<ReadMostly<K, Arc<S>>>,
    members: Mutex<Members<S, K>>,
    /// It exists after the first observation for which there was no room.
    overflow: OnceLock<Arc<S>>,
    limit: usize,
    /// True if the limit is reached.
    full: AtomicBool,
    /// True if a label set was refused since the last removal of idle series.
    refused: AtomicBool,
    /// The lock for removing idle series.
    removing: Mutex<()>,
    /// The observations in the overflow series of all families.
    overflowed: Arc<Counter>,
    warned: AtomicBool,
}

/// All series of the family, and the places that are taken.
struct Members<S, K> {
    all: Vec<Member<S, K>>,
    /// The keys of the kept places.
    kept: HashSet<K, FxBuildHasher>,
    within_limit: usize,
    foreseen: usize,
}

struct Member<S, K> {
    key: K,
    series: Arc<S>,
    /// True if the place is within the limit, so that the series may be removed.
    removable: bool,
    /// The observations that the last scrape saw.
    observations: u64,
    /// The time at which a scrape saw new observations.
    changed: Instant,
}

impl<S: Observable, K: Hash + Eq + Clone> Limited<S, K> {
    pub(super) fn new(limit: usize, shards: usize, overflowed: Arc<Counter>) -> Self {
        let members = Members { all: Vec::new(), kept: HashSet::default(), within_limit: 0, foreseen: 0 };
        Self {
            series: Replaceable::new(ReadMostly::new(), shards),
            members: Mutex::new(members),
            overflow: OnceLock::new(),
            limit,
            full: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            removing: Mutex::new(()),
            overflowed,
            warned: AtomicBool::new(false),
        }
    }

    /// Reads the series of these labels; `None` if there is none yet.
    #[inline]
    pub(super) fn read<T>(&self, key: &K, read: impl FnOnce(&Arc<S>) -> T) -> Option<T> {
        self.series.read(|series| series.read(key, read))
    }

    /// Returns the series of these labels, which `make` makes if there is none yet; `None` if there
    /// is no room for it.
    pub(super) fn get_or_insert(&self, key: K, place: Place<K>, make: impl FnOnce() -> S) -> Option<Arc<S>> {
        // Of a full family, most requests without a place need no lock.
        if matches!(place, Place::Any) && self.full.load(Ordering::Relaxed) {
            self.refused.store(true, Ordering::Relaxed);
            return self.read(&key, Arc::clone);
        }
        let mut members = self.lock();
        if let Some(series) = self.read(&key, Arc::clone) {
            return Some(series);
        }
        let foreseen = matches!(place, Place::Foreseen);
        let Some(removable) = members.take(place, self.limit) else {
            self.refused.fetch_or(!foreseen, Ordering::Relaxed);
            return None;
        };
        self.full.store(members.within_limit >= self.limit, Ordering::Relaxed);
        let series = Arc::new(make());
        self.insert(&key, &series);
        let (observations, changed) = (0, Instant::now());
        let member = Member { key, series: Arc::clone(&series), removable, observations, changed };
        members.all.push(member);
        Some(series)
    }

    fn insert(&self, key: &K, series: &Arc<S>) {
        self.series.read(|map| map.get_or_insert(key.clone(), CAPACITY, |_| Arc::clone(series)));
    }

    fn lock(&self) -> MutexGuard<'_, Members<S, K>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the series within the limit that had no observation for [`IDLE`], if label sets were
    /// refused. Each scrape calls it.
    pub(super) fn remove_idle(&self, now: Instant) {
        let Ok(_removing) = self.removing.try_lock() else { return };
        if self.overflow.get().is_none() {
            return;
        }
        // Requests need the members' lock, so it is not held while the observations are read.
        let observations: Vec<_> = self.values().iter().map(|series| series.observations()).collect();
        let mut members = self.lock();
        let mut idle = false;
        for (member, observations) in members.all.iter_mut().zip(observations) {
            if mem::replace(&mut member.observations, observations) != observations {
                member.changed = now;
            }
            idle |= member.is_idle(now);
        }
        if idle && self.refused.swap(false, Ordering::Relaxed) {
            self.remove(&mut members, now);
        }
    }

    #[cold]
    fn remove(&self, members: &mut Members<S, K>, now: Instant) {
        let remaining = ReadMostly::new();
        for member in members.all.iter().filter(|member| !member.is_idle(now)) {
            remaining.get_or_insert(member.key.clone(), CAPACITY, |_| Arc::clone(&member.series));
        }
        self.series.replace(remaining);
        // No request uses the old map any more. A series that one has used meanwhile stays.
        members.all.retain(|member| {
            let used = member.series.observations() != member.observations;
            if member.is_idle(now) && used {
                self.insert(&member.key, &member.series);
            }
            !member.is_idle(now) || used
        });
        members.within_limit = members.all.iter().filter(|member| member.removable).count();
        self.full.store(members.within_limit >= self.limit, Ordering::Relaxed);
    }

    /// Returns the series of an observation for which there is no room, and counts the observation.
    pub(super) fn overflow(&self, family: &'static str, make: impl FnOnce() -> S) -> Arc<S> {
        self.overflowed.add(1);
        self.warn_of_overflow(family);
        Arc::clone(self.overflow.get_or_init(|| Arc::new(make())))
    }

    /// Warns once that the family is full.
    pub(super) fn warn_of_overflow(&self, family: &'static str) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            let limit = self.limit;
            diagnostics::warn(format_args!(
                "`{family}` has reached its limit of {limit} label sets; further label sets are counted in its overflow series"
            ));
        }
    }

    /// All series except the overflow series, in no order.
    pub(super) fn values(&self) -> Vec<Arc<S>> {
        self.lock().all.iter().map(|member| Arc::clone(&member.series)).collect()
    }

    pub(super) fn overflow_series(&self) -> Option<Arc<S>> {
        self.overflow.get().cloned()
    }
}

impl<S, K> Member<S, K> {
    fn is_idle(&self, now: Instant) -> bool {
        self.removable && now.saturating_duration_since(self.changed) >= IDLE
    }
}

impl<S, K: Hash + Eq> Members<S, K> {
    /// Takes a place for a new series. Returns `true` if the series may be removed later, and
    /// `None` if there is no place.
    fn take(&mut self, place: Place<K>, limit: usize) -> Option<bool> {
        if self.all.len() >= CAPACITY {
            return None;
        }
        match place {
            Place::First(key) => {
                if self.kept.len() < limit.saturating_mul(KEPT) && self.kept.insert(key) {
                    return Some(false);
                }
            }
            Place::Foreseen => {
                let free = self.foreseen < limit / 2;
                self.foreseen = self.foreseen.saturating_add(usize::from(free));
                return free.then_some(false);
            }
            Place::Any => {}
        }
        if self.within_limit < limit {
            self.within_limit = self.within_limit.saturating_add(1);
            return Some(true);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Observable for Counter {
        fn observations(&self) -> u64 {
            self.get()
        }
    }

    fn key(n: u32) -> SeriesKey {
        SeriesKey::of_number(n)
    }

    fn any(family: &Limited<Counter>, n: u32) -> Option<Arc<Counter>> {
        family.get_or_insert(key(n), Place::Any, Counter::new)
    }

    #[test]
    fn label_sets_come_back_when_others_are_idle() {
        let family = Limited::new(3, 2, Arc::new(Counter::new()));
        let first = |n| family.get_or_insert(key(n), Place::First(key(n)), Counter::new);
        assert!(first(9).is_some_and(|series| series.get() == 0));
        let [busy, idle, used] = [1, 2, 3].map(|n| any(&family, n).expect("room"));
        [&busy, &idle].iter().for_each(|series| series.add(1));
        assert!(any(&family, 4).is_none(), "the family is full");
        drop(family.overflow("a_family", Counter::new));
        let now = Instant::now();
        family.remove_idle(now);
        busy.add(1);
        family.remove_idle(now + IDLE / 2);
        used.add(1);
        family.remove_idle(now + IDLE);
        let found = |n| family.read(&key(n), |series| series.get());
        assert_eq!([9, 1, 2, 3].map(found), [Some(0), Some(2), None, Some(1)]);
        assert!(any(&family, 4).is_some(), "there is room again");
        assert!(any(&family, 2).is_none(), "only for one");
        assert_eq!(family.values().len(), 4);
    }

    #[test]
    fn nothing_is_removed_without_a_need() {
        let family = Limited::new(2, 2, Arc::new(Counter::new()));
        let _one = any(&family, 1);
        let now = Instant::now();
        (0..3).for_each(|n| family.remove_idle(now + IDLE * n));
        assert!(family.read(&key(1), |_| ()).is_some());
    }
}
