//! Runs work that may hang, with a time limit.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::thread::spawn;

/// Runs `run` on its own thread and waits for its end for at most `timeout`.
pub(crate) fn run_with_timeout(name: &str, timeout: Duration, run: Box<dyn FnOnce() + Send>) {
    let ended = Arc::new(ThreadEnded::default());
    let end = ThreadEndGuard(Arc::clone(&ended));
    let run = move || {
        let _end = end;
        run();
    };
    if spawn(name, Box::new(run)).is_ok() {
        ended.wait(timeout);
    }
}

#[derive(Default)]
struct ThreadEnded {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl ThreadEnded {
    fn wait(&self, timeout: Duration) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.changed.wait_timeout_while(ended, timeout, |ended| !*ended);
    }
}

/// A guard that reports the end of the thread, even after a panic.
struct ThreadEndGuard(Arc<ThreadEnded>);

impl Drop for ThreadEndGuard {
    fn drop(&mut self) {
        *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc::channel, time::Instant};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_wait_ends_with_the_thread() {
        let start = Instant::now();
        let (send, ran) = channel();
        run_with_timeout("test", LONG, Box::new(move || send.send(()).expect("received")));
        assert!(ran.try_recv().is_ok());
        run_with_timeout("test", LONG, Box::new(|| std::panic::resume_unwind(Box::new(()))));
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn the_wait_for_a_stuck_thread_ends_at_the_timeout() {
        let (release, hung) = channel::<()>();
        run_with_timeout("test", Duration::from_millis(1), Box::new(move || _ = hung.recv()));
        release.send(()).expect("it still runs");
    }
}
