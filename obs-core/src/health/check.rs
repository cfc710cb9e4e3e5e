//! One named check: started at most once at a time, its result kept for a moment.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use crate::{diagnostics, panic::catch, record::ErrorReport};

type Run = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What is known of a check at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) passes: bool,
    /// Since when it has passed, or failed, without a break.
    pub(super) since: SystemTime,
}

/// A check of something that the service needs.
pub(crate) struct Check {
    pub(crate) name: String,
    timeout: Duration,
    run: Run,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    status: Option<Status>,
    /// When the result came in.
    at: Option<Instant>,
    /// The run that has not ended, perhaps never will: when it started, and what tells of its end.
    running: Option<(Instant, watch::Receiver<()>)>,
}

impl Check {
    pub(crate) fn new<F, E>(
        name: String,
        timeout: Duration,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let run = move || -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> {
            let future = check();
            Box::pin(async move { future.await.map_err(|error| ErrorReport::of_text(&error).message) })
        };
        Self { name, timeout, run: Box::new(run), state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result, not older than `max_age`: the last one, or that of the run that is under way, or of a new one.
    ///
    /// A run that takes longer than the timeout counts as failed, and goes on: it is not started twice.
    pub(super) async fn status(self: &Arc<Self>, max_age: Duration) -> Status {
        let (started, mut ended) = {
            let mut state = self.lock();
            if let (Some(status), Some(at)) = (state.status, state.at)
                && at.elapsed() <= max_age
            {
                return status;
            }
            match &state.running {
                Some(running) => running.clone(),
                None => self.start(&mut state),
            }
        };
        let left = self.timeout.saturating_sub(started.elapsed());
        // An error says that the run was dropped with its runtime: it has no result, either.
        match tokio::time::timeout(left, ended.changed()).await {
            Ok(Ok(())) => {
                self.lock().status.unwrap_or_else(|| Status { passes: false, since: SystemTime::now() })
            }
            Ok(Err(_)) => self.note(Err("its runtime ended before it did".to_owned()), false),
            Err(_) => self.note(Err(format!("no answer within {:?}", self.timeout)), false),
        }
    }

    /// Starts a run as a task of its own: a prober that leaves does not cancel it.
    fn start(self: &Arc<Self>, state: &mut State) -> (Instant, watch::Receiver<()>) {
        let (tell, ended) = watch::channel(());
        let running = (Instant::now(), ended);
        state.running = Some(running.clone());
        let end = End(Arc::clone(self));
        tokio::spawn(async move {
            let result = match catch(|| (end.0.run)()) {
                Ok(future) => unless_panics(future).await,
                Err(_) => None,
            };
            let result = result.unwrap_or_else(|| Err("it panicked".to_owned()));
            end.0.note(result, true);
            // The next one may start before those who wait are told.
            drop(end);
            let _ = tell.send(());
        });
        running
    }

    /// Keeps a result; a change is said, with its reason, which may be nothing for strangers to read.
    fn note(&self, result: Result<(), String>, is_result: bool) -> Status {
        let mut state = self.lock();
        let passes = result.is_ok();
        let before = state.status;
        let changed = before.is_none_or(|before| before.passes != passes);
        let since = before.filter(|_| !changed).map_or_else(SystemTime::now, |before| before.since);
        let status = Status { passes, since };
        state.status = Some(status);
        if is_result {
            state.at = Some(Instant::now());
        }
        drop(state);
        match result {
            Err(reason) if changed => {
                diagnostics::warn(format_args!("health check `{}` fails: {reason}", self.name));
            }
            Ok(()) if changed && before.is_some() => {
                diagnostics::info(format_args!("health check `{}` passes again", self.name));
            }
            _ => {}
        }
        status
    }
}

/// Marks the run as ended, also when its runtime ends first.
struct End(Arc<Check>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().running = None;
    }
}

/// The future's output; `None` if it panics.
async fn unless_panics<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Some),
        Err(_) => std::task::Poll::Ready(None),
    })
    .await
}
