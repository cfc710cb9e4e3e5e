//! The caches of `tracing` and `log`, which must be refreshed after a change of the levels.
//!
//! `tracing` remembers at each call site if any subscriber wants it. The refresh visits all call
//! sites. It must not run inside a subscriber, so it runs on a thread of its own.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use obs_core::LogLevels;
use tracing::{Dispatch, dispatcher, dispatcher::WeakDispatch};
use tracing_log::AsLog;

use crate::filter::most;

/// The minimum time between two refreshes. A service may have thousands of call sites.
const PAUSE: Duration = Duration::from_millis(100);

/// The state of the refreshes of one layer.
#[derive(Debug, Default)]
pub(crate) struct Refresh(Mutex<RefreshState>);

#[derive(Debug, Default)]
struct RefreshState {
    /// The subscriber that the layer is part of.
    subscriber: Option<WeakDispatch>,
    /// The levels of the records of `log`, if they come to the subscriber.
    with_log: Option<Arc<LogLevels>>,
    /// True if the levels have changed since the last refresh began.
    wanted: bool,
    /// True if the thread runs.
    running: bool,
}

impl Refresh {
    fn lock(&self) -> MutexGuard<'_, RefreshState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_subscriber(&self, subscriber: &Dispatch) {
        self.lock().subscriber = Some(subscriber.downgrade());
    }

    /// Keeps the maximum level of `log` in step with the levels.
    pub(crate) fn include_log(&self, levels: Arc<LogLevels>) {
        self.lock().with_log = Some(levels);
    }

    /// Refreshes the caches soon, on a thread of its own.
    pub(crate) fn request(self: &Arc<Self>) {
        let mut state = self.lock();
        state.wanted = true;
        if mem::replace(&mut state.running, true) {
            return;
        }
        drop(state);
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name("obs-log-levels".to_owned());
        if thread.spawn(move || shared.run()).is_err() {
            self.lock().running = false;
        }
    }

    fn run(&self) {
        loop {
            let mut state = self.lock();
            if !mem::take(&mut state.wanted) {
                state.running = false;
                return;
            }
            let subscriber = state.subscriber.as_ref().and_then(WeakDispatch::upgrade);
            let with_log = state.with_log.clone();
            drop(state);
            let Some(subscriber) = subscriber else { continue };
            // If there is only one subscriber, `tracing` asks the default one of this thread.
            dispatcher::with_default(&subscriber, tracing::callsite::rebuild_interest_cache);
            if let Some(levels) = with_log {
                tracing_log::log::set_max_level(most(&levels).as_log());
            }
            drop(subscriber);
            thread::sleep(PAUSE);
        }
    }
}
