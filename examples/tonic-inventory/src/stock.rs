//! The stock: the number of each item, in memory.
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::error::InventoryError;

/// The ids of the items that the shop sells, each with its number at the start.
const SEED: [(i64, i64); 5] = [(1, 1_000), (2, 10_000), (3, 500), (4, 7), (5, 100)];

pub(crate) struct Stock(Mutex<BTreeMap<i64, watch::Sender<i64>>>);

impl Stock {
    pub(crate) fn seeded() -> Self {
        let levels = SEED.into_iter().map(|(item_id, left)| (item_id, watch::Sender::new(left)));
        Self(Mutex::new(levels.collect()))
    }

    fn levels(&self) -> MutexGuard<'_, BTreeMap<i64, watch::Sender<i64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `by` to the level of an item, which removes items if it is negative. Returns the new
    /// level.
    pub(crate) fn change(&self, item_id: i64, by: i64) -> Result<i64, InventoryError> {
        let levels = self.levels();
        let level = levels.get(&item_id).ok_or(InventoryError::NoSuchItem(item_id))?;
        let left = *level.borrow();
        let changed = left.saturating_add(by);
        if changed < 0 {
            return Err(InventoryError::OutOfStock { item_id, left });
        }
        level.send_replace(changed);
        Ok(changed)
    }

    /// Returns the level of an item, now and after each change.
    pub(crate) fn watch(&self, item_id: i64) -> Result<watch::Receiver<i64>, InventoryError> {
        self.levels().get(&item_id).map(watch::Sender::subscribe).ok_or(InventoryError::NoSuchItem(item_id))
    }
}
