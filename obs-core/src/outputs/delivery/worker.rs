//! The worker thread of an output. It delivers batches, retries, flushes, and logs problems.

use std::{
    io,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    failure::{Again, Delivered, Failure},
    overflow::QueueOverflow,
    problem::{Problems, Subject},
    queue::{Queue, Task, counts::Settled, flush::Flush},
    retry::{RetryPolicy, Tries},
    store::{Store, Taken},
};
use crate::{
    base::{
        panic::catch,
        thread::{mark_as_delivering, spawn},
    },
    redact::diagnostics,
};

/// The time for which the drop of the last observer waits for remaining entries.
const DROP_FLUSH: Duration = Duration::from_secs(1);

/// The time for which the drop of the last observer waits for a log message.
const LOG: Duration = Duration::from_millis(200);

/// The time between two ticks of the outlet.
const TICK: Duration = Duration::from_secs(1);

/// The destination of a queue, outside the process.
pub(crate) trait Outlet<B> {
    /// Sends the first entries of a batch.
    fn send(&mut self, batch: &mut B) -> Result<Delivered, Failure>;

    /// Makes what was sent durable.
    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Does work that depends only on time. It is called about once a second.
    fn tick(&mut self) {}
}

/// A handle of a running worker thread.
pub(crate) struct Worker<S: Store> {
    queue: Arc<Queue<S>>,
    subject: Arc<Subject>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Store> Worker<S> {
    /// Starts a thread that delivers to an outlet. The outlet is created on that thread.
    pub(crate) fn start<O: Outlet<S::Batch>>(
        thread: String,
        subject: Subject,
        queue: Arc<Queue<S>>,
        policy: RetryPolicy,
        outlet: impl FnOnce() -> O + Send + 'static,
    ) -> io::Result<Self> {
        let subject = Arc::new(subject);
        let overflow = Arc::new(QueueOverflow::new(Arc::clone(&subject)));
        let full = Arc::clone(&overflow);
        queue.set_alarm(Box::new(move || full.begins(Instant::now())));
        let shared = Arc::clone(&queue);
        let problems = Problems::new(Arc::clone(&subject));
        let run = move || {
            mark_as_delivering();
            WorkerThread { queue: shared, outlet: outlet(), policy, problems, overflow }.run();
        };
        let thread = spawn(&thread, Box::new(run))?;
        Ok(Self { queue, subject, thread: Some(thread) })
    }

    /// Waits until a flush is complete, at most until its deadline. Returns true if everything was
    /// delivered.
    ///
    /// A destination that does not answer is logged here: its worker is stuck in it and logs
    /// nothing.
    pub(crate) fn wait_for(&self, flush: &Flush) -> bool {
        let flushed = self.queue.wait_for(flush);
        let waiting = self.queue.waiting();
        if !flushed && waiting > 0 && !self.queue.is_failing() {
            let Subject { entries, destination, .. } = &*self.subject;
            diagnostics::warn(format_args!(
                "{destination} did not accept {waiting} {entries} in time; they are lost if the process ends now"
            ));
        }
        flushed
    }

    /// Logs the entries that are lost because the last observer was dropped.
    fn warn_of_losses(&self) {
        let waiting = self.queue.waiting();
        if waiting > 0 {
            let Subject { entries, destination, .. } = &*self.subject;
            diagnostics::warn_within(
                LOG,
                format!(
                    "the last observer was dropped before {waiting} {entries} for {destination} were delivered; they \
                     are lost if the process ends now"
                ),
            );
        }
    }
}

/// Flushes and ends all workers when the last observer is dropped. They share one deadline.
///
/// A shutdown has already waited for the entries that it reported as lost. There is no second wait
/// for them.
pub(crate) fn end<'a, S: Store>(workers: impl Iterator<Item = &'a mut Worker<S>>) {
    let ask =
        |worker: &Worker<S>| (!worker.queue.is_given_up()).then(|| worker.queue.ask_to_flush(DROP_FLUSH));
    let asked: Vec<_> = workers.map(|worker| (ask(worker), worker)).collect();
    for (flush, worker) in asked {
        let flushed = flush.is_some_and(|flush| {
            let flushed = worker.queue.wait_for(&flush);
            if !flushed {
                worker.warn_of_losses();
            }
            flushed
        });
        worker.queue.close();
        // A thread in a stuck output is not joined, because it would block the caller.
        if let Some(thread) = worker.thread.take()
            && flushed
        {
            let _ = thread.join();
        }
    }
}

impl<S: Store> Drop for Worker<S> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The state of a worker on its thread.
struct WorkerThread<S: Store, O> {
    queue: Arc<Queue<S>>,
    outlet: O,
    policy: RetryPolicy,
    problems: Problems,
    overflow: Arc<QueueOverflow>,
}

impl<S: Store, O> Drop for WorkerThread<S, O> {
    fn drop(&mut self) {
        self.queue.ended();
    }
}

impl<S: Store, O: Outlet<S::Batch>> WorkerThread<S, O> {
    fn run(mut self) {
        let mut batch = S::Batch::default();
        let mut ticked = Instant::now();
        loop {
            match self.queue.take(&mut batch) {
                Task::Deliver => {
                    self.deliver(&mut batch);
                    batch.recycle();
                }
                Task::Flush(number) => {
                    let flushed = self.call(&mut |outlet| outlet.flush().map(|()| Delivered::all())).is_ok();
                    self.queue.flushed(number, flushed);
                }
                Task::Tick => batch.idle(),
                Task::Closed => return,
            }
            self.overflow.check(self.queue.overflowed(), Instant::now());
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                let _ = self.call(&mut |outlet| {
                    outlet.tick();
                    Ok(Delivered::all())
                });
            }
        }
    }

    /// Delivers a batch until all of it is accepted or dropped.
    fn deliver(&mut self, batch: &mut S::Batch) {
        let mut tries = Tries::new(self.policy);
        while batch.len() > 0 {
            let failure = match self.call(&mut |outlet| outlet.send(batch)) {
                Ok(delivered) if delivered.entries > 0 => {
                    self.delivered(batch, &delivered);
                    tries.reset();
                    continue;
                }
                Ok(_) => Failure::now("no entry was accepted"),
                Err(failure) => failure,
            };
            if !self.failed(batch, &mut tries, &failure) {
                return;
            }
        }
    }

    fn delivered(&mut self, batch: &mut S::Batch, delivered: &Delivered) {
        self.problems.delivered(delivered);
        let entries = delivered.entries.min(batch.len());
        let rejected = delivered.rejected.min(entries);
        self.queue.settle(&Settled {
            bytes: batch.settle(entries),
            delivered: entries.saturating_sub(rejected) as u64,
            rejected: rejected as u64,
            failed: 0,
        });
    }

    /// Waits for the next attempt, or drops the batch and returns false.
    #[inline(never)]
    fn failed(&mut self, batch: &mut S::Batch, tries: &mut Tries, failure: &Failure) -> bool {
        self.problems.failed(failure);
        if tries.next(failure.again).is_some_and(|pause| self.queue.pause(pause)) {
            return true;
        }
        let left = batch.len();
        let failed = Settled { bytes: batch.settle(left), failed: left as u64, ..Settled::default() };
        self.queue.settle(&failed);
        false
    }

    /// Calls the outlet and catches its panics, because it may be code of the application.
    #[inline(never)]
    fn call(
        &mut self,
        call: &mut dyn FnMut(&mut O) -> Result<Delivered, Failure>,
    ) -> Result<Delivered, Failure> {
        let outlet = &mut self.outlet;
        catch(|| call(outlet))
            .unwrap_or_else(|_| Err(Failure { again: Again::Now, reason: "the sink panicked".into() }))
    }
}
