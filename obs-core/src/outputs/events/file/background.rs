//! The thread of a keeper that compresses.

use std::{
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::keeping::Watched;
use crate::base::thread::spawn;

/// The pause after a failure, unless a segment is closed earlier.
const RETRY: Duration = Duration::from_secs(30);

/// The time that dropping waits for a compression to stop: one block, and perhaps a synchronisation.
const STOP: Duration = Duration::from_millis(200);

/// A keeper on a thread of its own, until this is dropped.
pub(super) struct Background(Arc<BackgroundShared>);

#[derive(Default)]
struct BackgroundShared {
    /// Read while a segment is compressed.
    stop: AtomicBool,
    state: Mutex<BackgroundState>,
    changed: Condvar,
}

#[derive(Default)]
struct BackgroundState {
    /// A segment was closed since the keeper has begun to run.
    woken: bool,
    ended: bool,
}

impl Background {
    /// Starts the thread, which begins with what is there already.
    pub(super) fn start(keeper: Watched) -> io::Result<Self> {
        let shared = Arc::new(BackgroundShared::default());
        let end = BackgroundEndGuard(Arc::clone(&shared));
        spawn("obs-segments", Box::new(move || work(keeper, &end.0)))?;
        let background = Self(shared);
        background.wake();
        Ok(background)
    }

    /// Lets the keeper run once more.
    pub(super) fn wake(&self) {
        self.0.change(|state| state.woken = true);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        self.wake();
        // What hangs in a slow disk is left behind; it gives up as soon as it can.
        let _ = self.0.changed.wait_timeout_while(self.0.lock(), STOP, |state| !state.ended);
    }
}

/// Says that the thread has ended, also by a panic.
struct BackgroundEndGuard(Arc<BackgroundShared>);

impl Drop for BackgroundEndGuard {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
    }
}

impl BackgroundShared {
    fn lock(&self) -> MutexGuard<'_, BackgroundState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut BackgroundState)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until it is woken, or for the pause after a failure. One run is for all that were closed meanwhile.
    fn wait(&self, pause: Option<Duration>) {
        let asleep = |state: &mut BackgroundState| !state.woken;
        let mut state = match pause {
            Some(pause) => {
                let waited = self.changed.wait_timeout_while(self.lock(), pause, asleep);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.changed.wait_while(self.lock(), asleep).unwrap_or_else(PoisonError::into_inner),
        };
        state.woken = false;
    }
}

fn work(mut keeper: Watched, shared: &BackgroundShared) {
    let mut pause = None;
    loop {
        shared.wait(pause);
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        pause = (!keeper.run(&shared.stop)).then_some(RETRY);
    }
}
