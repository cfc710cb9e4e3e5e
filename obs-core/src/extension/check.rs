//! A named health check. Only one run is active at a time, and later callers reuse its result.
//!
//! Only the methods that add a check refer to [`Check`]. The health pages use only the trait
//! [`HealthCheck`]. So the linker removes the code of [`Check`] from a program without checks.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::watch;

use crate::{
    extension::check_thread::{run_on_thread, spawn_task},
    record::error::ErrorReport,
    redact::{Redactor, diagnostics},
};

type CheckFunction = Box<dyn Fn() -> CheckFuture + Send + Sync>;

/// The future of one run, with the error as text.
pub(crate) type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The status of a check at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) passes: bool,
    /// The time of the last change between passing and failing.
    pub(crate) since: SystemTime,
}

/// A check as the health pages see it.
pub(crate) trait HealthCheck: Send + Sync {
    fn name(&self) -> &str;

    /// Sets the redactor that masks the reasons of failures.
    fn mask(&mut self, redactor: &Redactor);

    /// Asks for a status that is not older than `max_age`. A disconnected prober does not cancel
    /// this. The future returns `None` if the runtime ends first.
    fn ask(self: Arc<Self>, max_age: Duration) -> StatusFuture;
}

/// The future of a check's status.
pub(crate) type StatusFuture = Pin<Box<dyn Future<Output = Option<Status>> + Send>>;

/// A check of something that the service needs.
pub(crate) struct Check {
    name: String,
    timeout: Duration,
    run: CheckFunction,
    /// Masks the reasons of failures, once an observer has the check.
    redactor: Option<Redactor>,
    state: Mutex<CheckState>,
}

#[derive(Default)]
struct CheckState {
    status: Option<Status>,
    /// The time of the last result, and the number of its run.
    result: Option<(Instant, u64)>,
    /// The run that has not ended. It may never end.
    running: Option<CheckRun>,
    /// The number of started runs, which is also the number of the last run.
    runs: u64,
}

#[derive(Clone)]
struct CheckRun {
    number: u64,
    started: Instant,
    /// Signals the end of the run. An error means that the run was dropped with its runtime.
    ended: watch::Receiver<()>,
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
        let run = move || -> CheckFuture {
            let future = check();
            Box::pin(async move { future.await.map_err(|error| ErrorReport::of_text(&error).message) })
        };
        Self { name, timeout, run: Box::new(run), redactor: None, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, CheckState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a result that is not older than `max_age`: the last one, that of the active run, or
    /// that of a new run.
    ///
    /// A run that exceeds the timeout counts as failed, but continues. No second run is started
    /// meanwhile.
    async fn status(self: &Arc<Self>, max_age: Duration) -> Status {
        let (mut running, start) = {
            let mut state = self.lock();
            if let (Some(status), Some((at, _))) = (state.status, state.result)
                && at.elapsed() <= max_age
            {
                return status;
            }
            state.running_or_next()
        };
        if let Some(end_sender) = start {
            self.start(&running, end_sender);
        }
        let left = self.timeout.saturating_sub(running.started.elapsed());
        match tokio::time::timeout(left, running.ended.changed()).await {
            Ok(Ok(())) => self.no_result(running.number, "the check ended without a result".to_owned()),
            Ok(Err(_)) => self.no_result(running.number, "the runtime ended before the check".to_owned()),
            Err(_) => self.no_result(running.number, format!("no answer within {:?}", self.timeout)),
        }
    }

    /// Starts a run, which a disconnected prober does not cancel.
    ///
    /// The lock must not be held: a runtime that is ending drops the run, and with it
    /// `CheckEndGuard`, immediately.
    fn start(self: &Arc<Self>, running: &CheckRun, end_sender: watch::Sender<()>) {
        let (end, started) = (CheckEndGuard(Arc::clone(self), running.number), running.started);
        let check = Arc::clone(self);
        let ended = move |result: Option<Result<(), String>>| {
            let check = &end.0;
            let result = result.unwrap_or_else(|| Err("the check panicked".to_owned()));
            // A late success is a failure: it was already reported as one, and the next run would
            // be late as well.
            let late = started.elapsed() > check.timeout;
            let result = if late {
                result.and(Err(format!("the check took {:?}", started.elapsed())))
            } else {
                result
            };
            check.ended(end.1, result);
            let _ = end_sender.send(());
        };
        run_on_thread(Box::new(move || (check.run)()), Box::new(ended));
    }

    /// Stores the result of a run.
    fn ended(&self, number: u64, result: Result<(), String>) {
        let mut state = self.lock();
        state.result = Some((Instant::now(), number));
        state.ends(number);
        let (_, changed) = state.note(&result);
        drop(state);
        self.log_change(changed, result);
    }

    /// Records a failure for a run without a result, unless a newer result has arrived in the
    /// meantime.
    fn no_result(&self, number: u64, reason: String) -> Status {
        let mut state = self.lock();
        if let (Some(status), Some((_, of))) = (state.status, state.result)
            && of >= number
        {
            return status;
        }
        let result = Err(reason);
        let (status, changed) = state.note(&result);
        drop(state);
        self.log_change(changed, result);
        status
    }

    /// Logs a change of the check. The reason may contain internal data, so it is not part of the
    /// answer.
    fn log_change(&self, changed: bool, result: Result<(), String>) {
        match result {
            _ if !changed => {}
            Err(reason) => {
                let masked = self.redactor.as_ref().map(|redactor| redactor.text(&reason));
                let reason = masked.as_deref().unwrap_or(&reason);
                diagnostics::warn(format_args!("health check `{}` fails: {reason}", self.name));
            }
            Ok(()) => diagnostics::info(format_args!("health check `{}` passes", self.name)),
        }
    }
}

impl HealthCheck for Check {
    fn name(&self) -> &str {
        &self.name
    }

    fn mask(&mut self, redactor: &Redactor) {
        self.redactor = Some(redactor.clone());
    }

    fn ask(self: Arc<Self>, max_age: Duration) -> StatusFuture {
        let check = Arc::clone(&self);
        let task = spawn_task(Box::pin(async move {
            check.status(max_age).await;
        }));
        // A check's panic is caught. So the task fails only if the runtime ends.
        Box::pin(async move { task.await.ok().and_then(|()| self.lock().status) })
    }
}

impl CheckState {
    /// Returns the active run, or a new one with the sender that signals its end.
    fn running_or_next(&mut self) -> (CheckRun, Option<watch::Sender<()>>) {
        if let Some(running) = &self.running {
            return (running.clone(), None);
        }
        let (end_sender, ended) = watch::channel(());
        self.runs = self.runs.saturating_add(1);
        let running = CheckRun { number: self.runs, started: Instant::now(), ended };
        self.running = Some(running.clone());
        (running, Some(end_sender))
    }

    /// Ends the run, so that another one may start.
    fn ends(&mut self, number: u64) {
        self.running.take_if(|running| running.number == number);
    }

    /// Stores the status of the check. Also returns true if the change must be logged.
    fn note(&mut self, result: &Result<(), String>) -> (Status, bool) {
        let passes = result.is_ok();
        let changed = self.status.is_none_or(|before| before.passes != passes);
        // A first pass is expected, so it is not logged.
        let changed = changed && (self.status.is_some() || !passes);
        let since = self.status.filter(|_| !changed).map_or_else(SystemTime::now, |before| before.since);
        let status = Status { passes, since };
        self.status = Some(status);
        (status, changed)
    }
}

/// A guard that ends a run even if the runtime drops it.
struct CheckEndGuard(Arc<Check>, u64);

impl Drop for CheckEndGuard {
    fn drop(&mut self) {
        self.0.lock().ends(self.1);
    }
}
