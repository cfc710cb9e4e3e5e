//! What becomes of closed segments: compressed, kept for a while, removed.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

#[cfg(feature = "gzip")]
use super::compress::compress;
use super::names::{Closed, FileNames, Form, is_at};

pub(super) struct Keeper {
    pub(super) names: FileNames,
    pub(super) keep_files: usize,
    pub(super) keep_bytes: Option<u64>,
    #[cfg(feature = "gzip")]
    pub(super) gzip: bool,
}

impl Keeper {
    /// Brings the closed segments into order. What an earlier process has left half done is done again.
    pub(super) fn run(&self, stop: &AtomicBool) -> io::Result<()> {
        let cleaned = self.clean();
        // Not by bytes yet: what is still to be compressed would count too much.
        self.expire(None)?;
        let known = self.names.closed()?;
        #[cfg(feature = "gzip")]
        let compressed = self.compress_all(&known, stop);
        #[cfg(not(feature = "gzip"))]
        let compressed = Ok(());
        if let Some(newest) = known.last().filter(|_| !stop.load(Ordering::Relaxed)) {
            // Whatever has failed: the disk must not fill up.
            self.expire(self.keep_bytes.map(|keep| (keep, newest)))?;
        }
        cleaned.and(compressed)
    }

    /// Removes what is only half compressed, or is also there uncompressed: the crash came before the original was removed.
    fn clean(&self) -> io::Result<()> {
        let closed = self.names.closed()?;
        let original =
            |key: &str| closed.iter().any(|other| other.form == Form::Uncompressed && other.key == key);
        for half in closed.iter().filter(|closed| closed.form != Form::Uncompressed) {
            // A half whose original is gone is nobody's.
            let claimed = original(&half.key).then(|| claim(&self.names.path(&half.key, Form::Uncompressed)));
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

    #[cfg(feature = "gzip")]
    fn compress_all(&self, known: &[Closed], stop: &AtomicBool) -> io::Result<()> {
        if !self.gzip {
            return Ok(());
        }
        for closed in known {
            if closed.form == Form::Uncompressed && !stop.load(Ordering::Relaxed) {
                compress(&self.names, &closed.key, stop).or_else(ignore_not_found)?;
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
        fs::remove_file(self.names.path(&closed.key, closed.form)).or_else(ignore_not_found).map(drop)
    }

    fn size(&self, closed: &Closed) -> io::Result<u64> {
        let metadata = fs::metadata(self.names.path(&closed.key, closed.form));
        metadata.map(|metadata| metadata.len()).or_else(|error| ignore_not_found(error).map(|()| 0))
    }
}

fn ignore_not_found(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// A closed segment that nobody else compresses, until this is dropped.
///
/// A sink that was dropped may still have been compressing when the next one starts in the same process.
pub(super) struct Claimed(#[cfg_attr(not(feature = "gzip"), allow(dead_code))] File); // held for its lock

impl Claimed {
    #[cfg(feature = "gzip")]
    pub(super) const fn file(&self) -> &File {
        &self.0
    }
}

/// # Errors
/// Somebody else compresses it.
pub(super) fn claim(original: &Path) -> io::Result<Claimed> {
    let file = File::open(original)?;
    // Where there are no locks, there is no help.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "somebody else compresses it"));
    }
    // Whoever had it before may just have removed it.
    if is_at(original, &file.metadata()?).is_none() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Claimed(file))
}
