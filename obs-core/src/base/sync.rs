//! The primitives by which threads share data. The models in `tests/loom` replace this module with
//! the primitives of loom.

pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
