//! The thread of a keeper that compresses.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
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
pub(super) struct Background {
    wake: Option<Sender<()>>,
    stop: Arc<AtomicBool>,
    ended: Receiver<()>,
}

impl Background {
    /// Starts the thread, which begins with what is there already.
    pub(super) fn start(keeper: Watched) -> io::Result<Self> {
        let ((wake, woken), (end, ended)) = (channel(), channel());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            work(keeper, &woken, &stopped);
            drop(end);
        };
        spawn("obs-segments", Box::new(run))?;
        let background = Self { wake: Some(wake), stop, ended };
        background.wake();
        Ok(background)
    }

    /// Lets the keeper run once more.
    pub(super) fn wake(&self) {
        let _ = self.wake.as_ref().map(|wake| wake.send(()));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake = None;
        // What hangs in a slow disk is left behind; it gives up as soon as it can.
        let _ = self.ended.recv_timeout(STOP);
    }
}

fn work(mut keeper: Watched, woken: &Receiver<()>, stop: &AtomicBool) {
    let mut failed = false;
    loop {
        let wait = if failed { RETRY } else { Duration::MAX };
        if let Err(RecvTimeoutError::Disconnected) = woken.recv_timeout(wait) {
            return;
        }
        // One run is for all that were closed meanwhile.
        while woken.try_recv().is_ok() {}
        if stop.load(Ordering::Relaxed) {
            return;
        }
        failed = !keeper.run(stop);
    }
}
