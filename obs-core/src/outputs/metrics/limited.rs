//! The series of one family up to a limit, and the overflow series for all further label sets.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use super::series_key::SeriesKey;
use crate::{
    base::{counter::Counter, read_mostly::ReadMostly},
    redact::diagnostics,
};

/// The series of a family, by their labels.
pub(super) struct Limited<S> {
    series: ReadMostly<SeriesKey, Arc<S>>,
    /// It exists after the first observation for which there was no room.
    overflow: OnceLock<Arc<S>>,
    limit: usize,
    /// The observations in the overflow series of all families.
    overflowed: Arc<Counter>,
    warned: AtomicBool,
}

impl<S> Limited<S> {
    pub(super) fn new(limit: usize, overflowed: Arc<Counter>) -> Self {
        Self {
            series: ReadMostly::new(),
            overflow: OnceLock::new(),
            limit,
            overflowed,
            warned: AtomicBool::new(false),
        }
    }

    /// Reads the series of these labels; `None` if there is none yet.
    #[inline]
    pub(super) fn read<T>(&self, key: &SeriesKey, read: impl FnOnce(&Arc<S>) -> T) -> Option<T> {
        self.series.read(key, read)
    }

    /// Returns the series of these labels, which `make` makes if there is none yet; `None` if there
    /// is no room for it.
    pub(super) fn get_or_insert(&self, key: SeriesKey, make: impl FnOnce() -> S) -> Option<Arc<S>> {
        self.series.get_or_insert(key, self.limit, |_| Arc::new(make()))
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

    /// Returns `true` if no more than half of the room is taken.
    pub(super) fn is_half_empty(&self) -> bool {
        self.series.len() <= self.limit / 2
    }

    /// All series except the overflow series, in no order.
    pub(super) fn values(&self) -> Vec<Arc<S>> {
        self.series.values()
    }

    pub(super) fn overflow_series(&self) -> Option<Arc<S>> {
        self.overflow.get().cloned()
    }
}
