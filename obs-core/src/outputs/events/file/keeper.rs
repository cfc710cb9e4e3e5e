//! What becomes of closed segments: compressed, kept for a while, removed.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use super::{
    compress::{claim, compress},
    names::{Closed, Form, Names},
};
use crate::base::diagnostics;

/// When what failed is tried again, unless a segment is closed earlier.
const RETRY: Duration = Duration::from_secs(30);

/// How long dropping waits for a compression to give up, which takes one block and perhaps a synchronisation.
const STOP: Duration = Duration::from_millis(200);

pub(super) struct Keeper {
    pub(super) names: Names,
    pub(super) keep_files: usize,
    pub(super) keep_bytes: Option<u64>,
    pub(super) gzip: bool,
}

impl Keeper {
    /// Brings the closed segments into order. What an earlier process has left half done is done again.
    pub(super) fn run(&self, stop: &AtomicBool) -> io::Result<()> {
        let cleaned = self.clean();
        // Not by bytes yet: what is still to be compressed would count too much.
        self.expire(None)?;
        let known = self.names.closed()?;
        let compressed = self.compress_all(&known, stop);
        if let Some(newest) = known.last().filter(|_| !stop.load(Ordering::Relaxed)) {
            // Whatever has failed: the disk must not fill up.
            self.expire(self.keep_bytes.map(|keep| (keep, newest)))?;
        }
        cleaned.and(compressed)
    }

    /// Removes what is only half compressed, or is also there uncompressed: the crash came before the original was removed.
    fn clean(&self) -> io::Result<()> {
        let closed = self.names.closed()?;
        let original = |key: &str| closed.iter().any(|other| other.form == Form::Plain && other.key == key);
        for half in closed.iter().filter(|closed| closed.form != Form::Plain) {
            // A half whose original is gone is nobody's.
            let claimed = original(&half.key).then(|| claim(&self.names.path(&half.key, Form::Plain)));
            match claimed {
                None if half.form == Form::Gzip => {}
                // Meanwhile its compression has come to its end.
                Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Some(Err(error)) => return Err(error),
                None | Some(Ok(_)) => self.remove(half)?,
            }
        }
        Ok(())
    }

    fn compress_all(&self, known: &[Closed], stop: &AtomicBool) -> io::Result<()> {
        if !self.gzip {
            return Ok(());
        }
        for closed in known {
            if closed.form == Form::Plain && !stop.load(Ordering::Relaxed) {
                compress(&self.names, &closed.key, stop).or_else(gone)?;
            }
        }
        Ok(())
    }

    /// Removes the oldest segments until the rest is few and small enough. The newest one stays.
    ///
    /// Bytes are counted up to a segment: those behind it were closed meanwhile, and are still to be compressed.
    fn expire(&self, keep_bytes: Option<(u64, &Closed)>) -> io::Result<()> {
        let mut bytes = 0_u64;
        let mut full = false;
        for (n, closed) in self.names.closed()?.iter().rev().enumerate() {
            if let Some((keep, _)) = keep_bytes.filter(|(_, newest)| closed.key <= newest.key) {
                bytes = bytes.saturating_add(self.size(closed)?);
                full |= n > 0 && bytes > keep;
            }
            // Once one is too much, so are all that are older: what is kept has no gaps.
            full |= n >= self.keep_files.max(1);
            if full {
                self.remove(closed)?;
            }
        }
        Ok(())
    }

    /// Somebody else may have removed a segment: then it is as wanted.
    fn remove(&self, closed: &Closed) -> io::Result<()> {
        fs::remove_file(self.names.path(&closed.key, closed.form)).or_else(gone).map(drop)
    }

    fn size(&self, closed: &Closed) -> io::Result<u64> {
        let metadata = fs::metadata(self.names.path(&closed.key, closed.form));
        metadata.map(|metadata| metadata.len()).or_else(|error| gone(error).map(|()| 0))
    }
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// A keeper at work: at once, or on a thread of its own if it compresses.
pub(super) enum Keeping {
    Here { keeper: Keeper, warned: bool },
    Thread { wake: Option<Sender<()>>, stop: Arc<AtomicBool>, ended: Receiver<()> },
}

impl Keeping {
    /// The first run cares for what is there already.
    pub(super) fn start(keeper: Keeper) -> io::Result<Self> {
        let mut keeping = if keeper.gzip {
            let ((wake, woken), (end, ended)) = (channel(), channel());
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = Arc::clone(&stop);
            let run = move || {
                work(&keeper, &woken, &stopped);
                drop(end);
            };
            thread::Builder::new().name("obs-segments".to_owned()).spawn(run)?;
            Self::Thread { wake: Some(wake), stop, ended }
        } else {
            Self::Here { keeper, warned: false }
        };
        keeping.closed_one();
        Ok(keeping)
    }

    /// There is one more segment.
    pub(super) fn closed_one(&mut self) {
        match self {
            Self::Here { keeper, warned } => {
                run(keeper, &AtomicBool::new(false), warned);
            }
            Self::Thread { wake, .. } => {
                let _ = wake.as_ref().map(|wake| wake.send(()));
            }
        }
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        if let Self::Thread { wake, stop, ended } = self {
            stop.store(true, Ordering::Relaxed);
            *wake = None;
            // What hangs in a slow disk is left behind; it gives up as soon as it can.
            let _ = ended.recv_timeout(STOP);
        }
    }
}

fn work(keeper: &Keeper, woken: &Receiver<()>, stop: &AtomicBool) {
    let (mut failed, mut warned) = (false, false);
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
        failed = !run(keeper, stop, &mut warned);
    }
}

/// Says once that it failed, until it has succeeded again.
fn run(keeper: &Keeper, stop: &AtomicBool, warned: &mut bool) -> bool {
    let result = keeper.run(stop);
    if let Err(error) = &result
        && !*warned
    {
        let path = keeper.names.current.display();
        diagnostics::warn(format_args!("closed segments of {path} cannot be cared for ({error})"));
    }
    *warned = result.is_err();
    result.is_ok()
}
