//! The primitives by which threads share data. The models in `tests/loom` replace this module by
//! loom's.

pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
