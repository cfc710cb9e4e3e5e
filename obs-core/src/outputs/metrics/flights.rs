//! Single flights: callers that ask at the same time share one run of a function.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::base::thread::spawn;
use tokio::sync::{OnceCell, Semaphore, oneshot};

/// The future results of one run. They belong to the callers who wait for them.
struct Flight<W, R> {
    /// Everything that the callers want, without duplicates.
    requested: Mutex<Vec<W>>,
    results: OnceCell<Vec<(W, R)>>,
}

/// Shared runs. One runs at a time, and callers may join a run that has not begun.
///
/// A result therefore shows everything that happened before the call, and many calls at once cause
/// few runs.
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
    /// Returns the result for `request`. `run` makes the results for all callers of the run, on a
    /// separate thread. `None` if it panics.
    pub(crate) async fn get(
        &self,
        request: &W,
        run: impl FnOnce(Vec<W>) -> Vec<(W, R)> + Send + 'static,
    ) -> Option<R> {
        let flight = self.join(request);
        // If the caller that waits for the turn is dropped, another caller of the flight takes
        // over.
        let results = flight.results.get_or_init(|| async {
            let turn = Arc::clone(&self.turn).acquire_owned().await;
            let requested = self.begin(&flight);
            on_blocking_thread(move || {
                let results = run(requested);
                drop(turn);
                results
            })
            .await
        });
        let results = results.await;
        results.iter().find(|(of, _)| of == request).map(|(_, result)| result.clone())
    }

    /// Joins the flight that has not begun yet.
    fn join(&self, request: &W) -> Arc<Flight<W, R>> {
        let mut waiting = lock(&self.waiting);
        let flight = waiting.upgrade().unwrap_or_else(|| {
            let flight = Arc::new(Flight { requested: Mutex::new(Vec::new()), results: OnceCell::new() });
            *waiting = Arc::downgrade(&flight);
            flight
        });
        let mut requested = lock(&flight.requested);
        if !requested.contains(request) {
            requested.push(request.clone());
        }
        drop(requested);
        flight
    }

    /// Closes the flight: a later call must see later changes, so it starts a new flight.
    fn begin(&self, flight: &Arc<Flight<W, R>>) -> Vec<W> {
        let mut waiting = lock(&self.waiting);
        if std::ptr::eq(waiting.as_ptr(), Arc::as_ptr(flight)) {
            *waiting = Weak::new();
        }
        // Kept for the caller that takes over if this one is dropped.
        lock(&flight.requested).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `make` on a separate thread. Returns the default if it panics.
///
/// It does not use the runtime's blocking threads. A service whose database hangs may have used up
/// all of them, and then its metrics are needed most.
async fn on_blocking_thread<T: Default + Send + 'static>(make: impl FnOnce() -> T + Send + 'static) -> T {
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
        // If no thread can be started, make the result here: a result matters more than the time it
        // blocks.
        let make = mem::take(&mut *lock(&make));
        return make.map(|make| make()).unwrap_or_default();
    }
    made.await.unwrap_or_default()
}
