//! Compression and removal of closed segments.

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
    /// Compresses closed segments and removes those beyond the limits. Also repairs the state that
    /// a crash of an earlier process left.
    pub(super) fn run(&self, stop: &AtomicBool) -> io::Result<()> {
        let cleaned = self.clean();
        // The limit of bytes is applied after the compression, because segments are smaller then.
        self.expire(None)?;
        let known = self.names.closed()?;
        #[cfg(feature = "gzip")]
        let compressed = self.compress_all(&known, stop);
        #[cfg(not(feature = "gzip"))]
        let compressed = Ok(());
        if let Some(newest) = known.last().filter(|_| !stop.load(Ordering::Relaxed)) {
            // This also happens after a failure, because the disk must not fill up.
            self.expire(self.keep_bytes.map(|keep| (keep, newest)))?;
        }
        cleaned.and(compressed)
    }

    /// Removes partial compressed files, and compressed files whose original still exists because a
    /// crash came before its removal.
    fn clean(&self) -> io::Result<()> {
        let closed = self.names.closed()?;
        let original =
            |key: &str| closed.iter().any(|other| other.form == Form::Uncompressed && other.key == key);
        for half in closed.iter().filter(|closed| closed.form != Form::Uncompressed) {
            // A partial file whose original is gone belongs to no compression.
            let claimed = original(&half.key).then(|| claim(&self.names.path(&half.key, Form::Uncompressed)));
            match claimed {
                None if half.form == Form::Gzip => {}
                // Its compression ended in the meantime.
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

    /// Removes the oldest segments until the rest meets the limits. The newest one is kept.
    ///
    /// The count of bytes ignores segments that are newer than the given one. They were closed in
    /// the meantime and are not compressed yet.
    fn expire(&self, keep_bytes: Option<(u64, &Closed)>) -> io::Result<()> {
        let mut bytes = 0_u64;
        let mut full = false;
        for (n, closed) in self.names.closed()?.iter().rev().enumerate() {
            if let Some((keep, _)) = keep_bytes.filter(|(_, newest)| closed.key <= newest.key) {
                bytes = bytes.saturating_add(self.size(closed)?);
                full |= n > 0 && bytes > keep;
            }
            // All older segments are removed, too, so the kept ones have no gaps.
            full |= n >= self.keep_files.max(1);
            if full {
                self.remove(closed)?;
            }
        }
        Ok(())
    }

    /// Removes a segment. It is not an error if another program has removed it already.
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

/// A lock on a closed segment. While it is held, no other sink or process compresses the segment.
///
/// A dropped sink may still compress a segment when the next sink starts in the same process.
pub(super) struct Claimed(#[cfg_attr(not(feature = "gzip"), allow(dead_code))] File); // held for its lock

impl Claimed {
    #[cfg(feature = "gzip")]
    pub(super) const fn file(&self) -> &File {
        &self.0
    }
}

/// Locks a closed segment for its compression.
///
/// # Errors
/// Another sink or process compresses the segment, or it cannot be opened.
pub(super) fn claim(original: &Path) -> io::Result<Claimed> {
    let file = File::open(original)?;
    // Other errors mean that the file system has no locks. Then nothing protects the segment.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another thread or process compresses it"));
    }
    // The previous owner of the lock may have removed the file.
    if is_at(original, &file.metadata()?).is_none() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(Claimed(file))
}
