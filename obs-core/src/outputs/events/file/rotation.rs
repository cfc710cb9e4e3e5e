//! Where a line may go: when the file is closed, when it is made anew, and what happens when either fails.

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

/// How long a rotation that failed is not tried again.
const RETRY: Duration = Duration::from_secs(5);

/// With less than this, synchronising waits for the rotation or the shutdown. With more it is done while the output's buffer still has
/// room for what comes meanwhile: a hundred megabytes at once could take longer than that.
const SYNC_FROM: u64 = 4 * 1024 * 1024;

pub(super) struct SegmentLimits {
    pub(super) size: u64,
    pub(super) age: Duration,
}

/// The sink.
pub(super) struct Rotating<S> {
    names: FileNames,
    limits: SegmentLimits,
    system: S,
    /// `None` while it cannot be made.
    current: Option<Current>,
    /// The file ends in the middle of a line, whose rest comes with the next call.
    torn: bool,
    /// When a rotation failed; the file grows until one succeeds.
    failed: Option<SystemTime>,
    /// The system says only once that it could not write to the disk.
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
        let current = Current::open(&names, &system)?;
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
        // What is left of a line goes where its beginning is, whatever has become of that file.
        if !self.torn {
            self.prepare()?;
            end = self.fitting(lines);
            if end == 0 {
                self.rotate();
                self.prepare()?;
                // A line that no segment has room for has one of its own.
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

    /// How many bytes of whole lines the file still has room for.
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

    /// Sees to it that the current file is there, and is not too old.
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

    /// Sees to it that the current file is where it should be: somebody may have moved or removed it.
    fn find(&mut self) -> io::Result<()> {
        let now = self.system.now();
        if self.current.as_mut().is_some_and(|current| !current.is_at(&self.names.current, now)) {
            // Whoever has moved it wants its lines to last.
            self.sync();
            self.current = None;
        }
        if self.current.is_none() {
            self.current = Some(Current::open(&self.names, &self.system)?);
            self.sync_folder();
        }
        Ok(())
    }

    /// A rotation has failed a short time ago. A clock that went back does not prolong it.
    fn is_pausing(&self) -> bool {
        let since = self.failed.and_then(|failed| self.system.now().duration_since(failed).ok());
        since.is_some_and(|since| since < RETRY)
    }

    /// Closes the current file, if there is something in it. If that fails, it stays the current one.
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
                    self.system
                        .warn(format_args!("{path} cannot be closed ({error}) and grows until it can"));
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
        // The new file, which is made next, is not worth more than the old one's name: an empty file has nothing to lose.
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
        // In the middle of a line nothing may change; an error comes again with the next line.
        if !self.torn {
            let _ = self.prepare();
        }
        if self.current.as_ref().is_some_and(|current| current.unsynced >= SYNC_FROM) {
            self.sync();
        }
    }
}
