//! Work that several ask for at the same time, done once for all of them.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::base::thread::spawn;
use tokio::sync::{OnceCell, Semaphore, oneshot};

/// Results to come, all of one run. They belong to those who wait for them.
struct Flight<W, R> {
    /// Everything that is asked for, each once.
    wanted: Mutex<Vec<W>>,
    results: OnceCell<Vec<(W, R)>>,
}

/// Runs that are shared: one at a time, and a run that has not begun may be joined.
///
/// So a result always shows what had happened before it was asked for, and however many ask at once, there are few runs.
pub(crate) struct Flights<W, R> {
    waiting: Mutex<Weak<Flight<W, R>>>,
    turn: Arc<Semaphore>,
}

impl<W, R> Default for Flights<W, R> {
    fn default() -> Self {
        Self { waiting: Mutex::new(Weak::new()), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl<W, R> Flights<W, R>
where
    W: Clone + PartialEq + Send + 'static,
    R: Clone + Send + 'static,
{
    /// Returns the result for `want`. `run` makes the results of everything that is wanted at once, on a thread of its own;
    /// `None` if it panics.
    pub(crate) async fn get(
        &self,
        want: &W,
        run: impl FnOnce(Vec<W>) -> Vec<(W, R)> + Send + 'static,
    ) -> Option<R> {
        let flight = self.join(want);
        // Where the one who waits for the turn leaves, another of the flight takes its place.
        let results = flight.results.get_or_init(|| async {
            let turn = Arc::clone(&self.turn).acquire_owned().await;
            let wanted = self.begin(&flight);
            off_the_runtime(move || {
                let results = run(wanted);
                drop(turn);
                results
            })
            .await
        });
        let results = results.await;
        results.iter().find(|(of, _)| of == want).map(|(_, result)| result.clone())
    }

    /// The flight that has not begun yet.
    fn join(&self, want: &W) -> Arc<Flight<W, R>> {
        let mut waiting = lock(&self.waiting);
        let flight = waiting.upgrade().unwrap_or_else(|| {
            let flight = Arc::new(Flight { wanted: Mutex::new(Vec::new()), results: OnceCell::new() });
            *waiting = Arc::downgrade(&flight);
            flight
        });
        let mut wanted = lock(&flight.wanted);
        if !wanted.contains(want) {
            wanted.push(want.clone());
        }
        drop(wanted);
        flight
    }

    /// Who comes from now on is to see what happens from now on.
    fn begin(&self, flight: &Arc<Flight<W, R>>) -> Vec<W> {
        let mut waiting = lock(&self.waiting);
        if std::ptr::eq(waiting.as_ptr(), Arc::as_ptr(flight)) {
            *waiting = Weak::new();
        }
        // Kept, for whoever begins again if this one leaves.
        lock(&flight.wanted).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `make` on a thread of its own; the default if it panics.
///
/// It is not one of the runtime's blocking threads: a service whose database hangs may have used them all up, and that is
/// when its metrics are wanted most.
async fn off_the_runtime<T: Default + Send + 'static>(make: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, made) = oneshot::channel();
    let make = Arc::new(Mutex::new(Some(make)));
    let theirs = Arc::clone(&make);
    let run = move || {
        let make = mem::take(&mut *lock(&theirs));
        if let Some(make) = make {
            let _ = send.send(make());
        }
    };
    if spawn("obs-scrape", Box::new(run)).is_err() {
        // No thread to be had: the page matters more than the time it takes.
        let make = mem::take(&mut *lock(&make));
        return make.map(|make| make()).unwrap_or_default();
    }
    made.await.unwrap_or_default()
}
