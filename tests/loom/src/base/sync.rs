//! A replacement of `base::sync` by loom's primitives. A wait ends when it is notified, or at once,
//! because loom has no clock.

use std::{
    cell::Cell,
    ops::{Deref, DerefMut},
    sync::{LockResult, PoisonError},
    time::Duration,
};

use loom::{sync, thread};

pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

/// The end of the waits of a model.
#[derive(Clone, Copy, Debug)]
pub enum Waits {
    /// Only a notification ends a wait. If a notification is lost, the model does not end, and
    /// fails.
    Notified,
    /// Every wait ends at once, as if it had timed out.
    TimedOut,
}

thread_local! {
    /// The end of the waits. loom runs all threads of a model on one thread of the system.
    static WAITS: Cell<Waits> = const { Cell::new(Waits::Notified) };
}

/// Sets the end of the waits, for the next model on this thread of the system.
pub(crate) fn set_waits(waits: Waits) {
    WAITS.set(waits);
}

#[derive(Debug)]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(MutexGuard { mutex: &self.0, inner })
    }
}

pub(crate) struct MutexGuard<'a, T> {
    mutex: &'a sync::Mutex<T>,
    inner: sync::MutexGuard<'a, T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

#[derive(Debug)]
pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(sync::Condvar::new())
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        let MutexGuard { mutex, inner } = guard;
        let inner = match WAITS.get() {
            Waits::Notified => self.0.wait(inner),
            Waits::TimedOut => {
                drop(inner);
                thread::yield_now();
                mutex.lock()
            }
        };
        let inner = inner.unwrap_or_else(PoisonError::into_inner);
        Ok((MutexGuard { mutex, inner }, ()))
    }
}
