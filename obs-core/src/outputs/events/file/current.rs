//! The open file.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    time::SystemTime,
};

use super::{
    names::{self, FileNames, Form},
    system::System,
};

/// No line is that long. A file that ends with more than this without a line feed is not ours, and nothing is cut off.
const MAX_TORN: u64 = 1024 * 1024;

pub(super) struct Current {
    pub(super) file: File,
    /// As it was when it was opened: which file it is.
    opened: Metadata,
    pub(super) bytes: u64,
    pub(super) since: SystemTime,
    /// How much of it is only with the operating system.
    pub(super) unsynced: u64,
}

impl Current {
    /// Goes on with the file that is there, or makes one. A line that an earlier process has left unfinished is cut off.
    pub(super) fn open(names: &FileNames, system: &impl System) -> io::Result<Self> {
        let path = &names.current;
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let opened = file.metadata()?;
        let (mut bytes, mut since) = (opened.len(), system.now());
        // Not of a pipe or a device.
        if opened.is_file() && bytes > 0 {
            let torn = remove_torn_line(path, bytes)?;
            bytes = bytes.saturating_sub(torn);
            if torn > 0 {
                let path = path.display();
                system.warn(format_args!("{path}: cut off {torn} bytes of a line that was never finished"));
            }
            since = since.min(started_at(names, &opened, system).unwrap_or(since));
        }
        // What an earlier process has left may not be on the disk, either.
        Ok(Self { file, opened, bytes, since, unsynced: bytes })
    }

    /// Not if it is empty, and never a pipe or a device: nobody else could find it under another name.
    pub(super) fn may_be_closed(&self) -> bool {
        self.opened.is_file() && self.bytes > 0
    }

    /// Whether the path still leads to this file. Learns from it what others have done to its size.
    pub(super) fn is_at(&mut self, path: &Path, now: SystemTime) -> bool {
        let Some(there) = names::is_at(path, &self.opened) else { return false };
        // Somebody has emptied it, or nothing was ever written: its age begins anew.
        if there.len() < self.bytes || there.len() == 0 {
            self.since = now;
        }
        self.bytes = there.len();
        true
    }
}

/// When a file that is there was begun.
///
/// Where the file system does not know, it is taken to be when the last segment was written to for the last time, and failing that when the
/// file itself was: it may become older than its setting then, but not for ever, because other rotations come.
fn started_at(names: &FileNames, opened: &Metadata, system: &impl System) -> Option<SystemTime> {
    system.created_at(opened).or_else(|| {
        let closed = names.closed().unwrap_or_default();
        let newest = closed.iter().rfind(|closed| closed.form != Form::Partial);
        let modified = |closed: &names::Closed| names.path(&closed.key, closed.form).metadata()?.modified();
        newest.and_then(|closed| modified(closed).ok()).or_else(|| opened.modified().ok())
    })
}

/// Cuts off what follows the last line feed; returns how much that was.
///
/// It is done by a handle of its own: one for appending may not do so everywhere.
fn remove_torn_line(path: &Path, bytes: u64) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    // Most files end with a line, so the last byte tells.
    for looked_at in [1, bytes.min(MAX_TORN)] {
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(bytes.saturating_sub(looked_at)))?;
        file.by_ref().take(looked_at).read_to_end(&mut tail)?;
        if let Some(line_feed) = tail.iter().rposition(|byte| *byte == b'\n') {
            let torn = tail.len().saturating_sub(line_feed.saturating_add(1));
            return cut(&file, bytes, u64::try_from(torn).unwrap_or_default());
        }
    }
    if bytes > MAX_TORN {
        let message = "it does not consist of lines: nothing is written behind what is there";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    cut(&file, bytes, bytes)
}

fn cut(file: &File, bytes: u64, torn: u64) -> io::Result<u64> {
    if torn > 0 {
        file.set_len(bytes.saturating_sub(torn))?;
    }
    Ok(torn)
}
