//! The thread that compresses and removes closed segments, if compression is on.

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

/// The pause after a failure. It ends early if a segment is closed.
const RETRY: Duration = Duration::from_secs(30);

/// The time that a drop waits for a compression to stop. It is enough for one block, and usually
/// for a synchronisation with the disk.
const STOP: Duration = Duration::from_millis(200);

/// A keeper on its own thread, until this is dropped.
pub(super) struct Background(Arc<BackgroundShared>);

#[derive(Default)]
struct BackgroundShared {
    /// Tells a running compression to stop.
    stop: AtomicBool,
    state: Mutex<BackgroundState>,
    changed: Condvar,
}

#[derive(Default)]
struct BackgroundState {
    /// True if a segment was closed since the last run began.
    woken: bool,
    ended: bool,
}

impl Background {
    /// Starts the thread. Its first run handles the existing segments.
    pub(super) fn start(keeper: Watched) -> io::Result<Self> {
        let shared = Arc::new(BackgroundShared::default());
        let end = BackgroundEndGuard(Arc::clone(&shared));
        spawn("obs-segments", Box::new(move || work(keeper, &end.0)))?;
        let background = Self(shared);
        background.wake();
        Ok(background)
    }

    /// Makes the keeper run once more.
    pub(super) fn wake(&self) {
        self.0.change(|state| state.woken = true);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
        self.wake();
        // A thread that waits for a slow disk continues after this and ends as soon as it can.
        let _ = self.0.changed.wait_timeout_while(self.0.lock(), STOP, |state| !state.ended);
    }
}

/// Marks the thread as ended when it is dropped, also after a panic.
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

    /// Waits until it is woken, or until the pause after a failure has passed. One run handles all
    /// segments that were closed in the meantime.
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
