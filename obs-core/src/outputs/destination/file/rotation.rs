//! The sink of an event file. It rotates the file, and creates it again if it was moved or removed.

use std::{
    io,
    time::{Duration, SystemTime},
};

use super::{
    current::Current,
    keeper::Keeper,
    keeping::Keeping,
    names::FileNames,
    system::{System, sync_folder},
};
use crate::outputs::delivery::sink::EventSink;

/// The pause after a failed rotation.
const RETRY: Duration = Duration::from_secs(5);

/// The bytes from which the file is synchronised between rotations. Fewer bytes wait for the
/// rotation or the shutdown. Synchronising a hundred megabytes at once could take so long that the
/// output's queue fills up.
const SYNC_FROM: u64 = 4 * 1024 * 1024;

pub(super) struct SegmentLimits {
    pub(super) size: u64,
    pub(super) age: Duration,
    /// The permissions of a new file.
    pub(super) mode: u32,
}

/// The sink that writes to the current file and rotates it.
pub(super) struct Rotating<S> {
    names: FileNames,
    limits: SegmentLimits,
    system: S,
    /// The current file. `None` while it cannot be created.
    current: Option<Current>,
    /// True if the file ends in the middle of a line. The next call brings the rest.
    torn: bool,
    /// The time at which a rotation failed. The file grows until a rotation succeeds.
    failed: Option<SystemTime>,
    /// The last failure to synchronise. The system reports it only once, so it is kept for the next
    /// flush.
    sync_failed: Option<io::Error>,
    keeping: Keeping,
}

impl<S: System> Rotating<S> {
    pub(super) fn open(
        names: FileNames,
        limits: SegmentLimits,
        keeper: Keeper,
        system: S,
    ) -> io::Result<Self> {
        let current = Current::open(&names, limits.mode, &system)?;
        let _ = sync_folder(&names.folder);
        Ok(Self {
            keeping: Keeping::start(keeper)?,
            names,
            limits,
            system,
            current: Some(current),
            torn: false,
            failed: None,
            sync_failed: None,
        })
    }

    fn take(&mut self, lines: &[u8]) -> io::Result<usize> {
        let line =
            lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at.saturating_add(1));
        let mut end = line;
        // The rest of a line goes to the file that contains its beginning, even if that file was
        // moved.
        if !self.torn {
            self.prepare()?;
            end = self.fitting(lines);
            if end == 0 {
                self.rotate();
                self.prepare()?;
                // A line that is longer than a segment gets its own segment.
                end = self.fitting(lines).max(line);
            }
        }
        let part = lines.get(..end).unwrap_or(lines);
        let Some(current) = &mut self.current else { return Err(io::ErrorKind::NotFound.into()) };
        let taken = self.system.write(&current.file, part)?;
        if taken == 0 && !part.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let bytes = u64::try_from(taken).unwrap_or_default();
        current.bytes = current.bytes.saturating_add(bytes);
        current.unsynced = current.unsynced.saturating_add(bytes);
        self.torn = part.get(..taken).and_then(<[u8]>::last).is_some_and(|byte| *byte != b'\n');
        Ok(taken)
    }

    /// Returns the number of bytes of complete lines that still fit into the file.
    fn fitting(&self, lines: &[u8]) -> usize {
        let mut room =
            self.limits.size.saturating_sub(self.current.as_ref().map_or(0, |current| current.bytes));
        if self.is_pausing() {
            room = u64::MAX;
        }
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(lines.len());
        let fits = lines.get(..room).unwrap_or_default();
        fits.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1))
    }

    /// Ensures that the current file exists and is not too old.
    fn prepare(&mut self) -> io::Result<()> {
        self.find()?;
        let now = self.system.now();
        let age = |current: &Current| now.duration_since(current.since).unwrap_or_default();
        if self.current.as_ref().is_some_and(|current| age(current) >= self.limits.age) {
            self.rotate();
            self.find()?;
        }
        Ok(())
    }

    /// Ensures that the current file is still at its path. Another program may have moved or
    /// removed it.
    fn find(&mut self) -> io::Result<()> {
        let now = self.system.now();
        if self.current.as_mut().is_some_and(|current| !current.is_at(&self.names.current, now)) {
            // A moved file is wanted by someone, so its lines are synchronised first.
            self.sync();
            self.current = None;
        }
        if self.current.is_none() {
            self.current = Some(Current::open(&self.names, self.limits.mode, &self.system)?);
            self.sync_folder();
        }
        Ok(())
    }

    /// Returns true during the pause after a failed rotation. A clock that goes back does not
    /// prolong the pause.
    fn is_pausing(&self) -> bool {
        let since = self.failed.and_then(|failed| self.system.now().duration_since(failed).ok());
        since.is_some_and(|since| since < RETRY)
    }

    /// Closes the current file unless it is empty. If that fails, it remains the current file.
    fn rotate(&mut self) {
        if self.is_pausing() || !self.current.as_ref().is_some_and(Current::may_be_closed) {
            return;
        }
        match self.close() {
            Ok(()) => {
                self.failed = None;
                self.keeping.segment_closed();
            }
            Err(error) => {
                if self.failed.replace(self.system.now()).is_none() {
                    let path = self.names.current.display();
                    self.system.warn(format_args!(
                        "cannot rotate {path}, which grows until a rotation succeeds: {error}"
                    ));
                }
            }
        }
    }

    fn close(&mut self) -> io::Result<()> {
        if let Some(current) = &self.current {
            self.system.sync(&current.file)?;
        }
        self.system.rename(&self.names.current, &self.names.next(self.system.now())?)?;
        self.current = None;
        // This makes the rename survive a loss of power. The new file, which is created next, is
        // still empty and needs no such step.
        self.sync_folder();
        Ok(())
    }

    fn sync(&mut self) {
        if let Some(current) = &mut self.current {
            match self.system.sync(&current.file) {
                Ok(()) => current.unsynced = 0,
                Err(error) => self.sync_failed = Some(error),
            }
        }
    }

    fn sync_folder(&mut self) {
        if let Err(error) = sync_folder(&self.names.folder) {
            self.sync_failed = Some(error);
        }
    }
}

impl<S: System> EventSink for Rotating<S> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if lines.is_empty() {
            return Ok(0);
        }
        self.take(lines).map_err(|error| super::of(&self.names.current, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync();
        match self.sync_failed.take() {
            None => Ok(()),
            Some(error) => Err(super::of(&self.names.current, &error)),
        }
    }

    fn tick(&mut self) {
        // Nothing may change in the middle of a line. An error is ignored here, because the next
        // line meets it again.
        if !self.torn {
            let _ = self.prepare();
        }
        if self.current.as_ref().is_some_and(|current| current.unsynced >= SYNC_FROM) {
            self.sync();
        }
    }
}
