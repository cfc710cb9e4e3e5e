//! Runs work that may hang, with a time limit.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use super::thread::spawn;

/// Runs `run` on its own thread and waits for its end for at most `patience`.
pub(crate) fn run_within(name: &str, patience: Duration, run: Box<dyn FnOnce() + Send>) {
    let ended = Arc::new(Ended::default());
    let end = End(Arc::clone(&ended));
    let run = move || {
        let _end = end;
        run();
    };
    if spawn(name, Box::new(run)).is_ok() {
        ended.wait(patience);
    }
}

#[derive(Default)]
struct Ended {
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Ended {
    fn wait(&self, patience: Duration) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.changed.wait_timeout_while(ended, patience, |ended| !*ended);
    }
}

/// A guard that reports the end of the thread, even after a panic.
struct End(Arc<Ended>);

impl Drop for End {
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
    fn the_end_of_the_thread_ends_the_wait() {
        let start = Instant::now();
        let (send, ran) = channel();
        run_within("test", LONG, Box::new(move || send.send(()).expect("received")));
        assert!(ran.try_recv().is_ok());
        run_within("test", LONG, Box::new(|| std::panic::resume_unwind(Box::new(()))));
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn a_thread_that_hangs_is_left_behind() {
        let (release, hung) = channel::<()>();
        run_within("test", Duration::from_millis(1), Box::new(move || _ = hung.recv()));
        release.send(()).expect("it still runs");
    }
}
