//! The current file, which is open for appending.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
    time::SystemTime,
};

use super::{
    names::{self, FileNames, Form},
    system::{System, with_mode},
};

/// The limit of an incomplete last line, in bytes. No event is that long. A file that ends with
/// more bytes without a line feed is not an event file, and it is not changed.
const MAX_TORN: u64 = 1024 * 1024;

pub(super) struct Current {
    pub(super) file: File,
    /// The metadata at the time of opening, which identifies the file.
    opened: Metadata,
    pub(super) bytes: u64,
    pub(super) since: SystemTime,
    /// The bytes that are not yet synchronised with the disk.
    pub(super) unsynced: u64,
}

impl Current {
    /// Opens the existing file, or creates one. Removes an incomplete line that an earlier process
    /// left at the end.
    pub(super) fn open(names: &FileNames, mode: u32, system: &impl System) -> io::Result<Self> {
        let path = &names.current;
        let file = with_mode(OpenOptions::new().append(true).create(true), mode).open(path)?;
        let opened = file.metadata()?;
        let (mut bytes, mut since) = (opened.len(), system.now());
        // Pipes and devices cannot be cut.
        if opened.is_file() && bytes > 0 {
            let torn = remove_torn_line(path, bytes)?;
            bytes = bytes.saturating_sub(torn);
            if torn > 0 {
                let path = path.display();
                system.warn(format_args!("{path}: removed {torn} bytes of an incomplete event at the end"));
            }
            since = since.min(started_at(names, &opened, system).unwrap_or(since));
        }
        // The bytes of an earlier process may not be synchronised, either.
        Ok(Self { file, opened, bytes, since, unsynced: bytes })
    }

    /// Returns true if the file may be renamed to a segment. An empty file stays. A pipe or a
    /// device is never renamed, because other programs need its name.
    pub(super) fn may_be_closed(&self) -> bool {
        self.opened.is_file() && self.bytes > 0
    }

    /// Returns true if the path still leads to this file. Updates the size, which other programs
    /// may have changed.
    pub(super) fn is_at(&mut self, path: &Path, now: SystemTime) -> bool {
        let Some(there) = names::is_at(path, &self.opened) else { return false };
        // Another program emptied it, or nothing was written yet: its age starts again.
        if there.len() < self.bytes || there.len() == 0 {
            self.since = now;
        }
        self.bytes = there.len();
        true
    }
}

/// Returns the time at which an existing file was created.
///
/// If the file system does not know it, the result is the last modification of the newest segment,
/// or else that of the file itself. The last case makes the file look younger than it is, so it may
/// exceed its maximal age, but only until the next rotation.
fn started_at(names: &FileNames, opened: &Metadata, system: &impl System) -> Option<SystemTime> {
    system.created_at(opened).or_else(|| {
        let closed = names.closed().unwrap_or_default();
        let newest = closed.iter().rfind(|closed| closed.form != Form::Partial);
        let modified = |closed: &names::Closed| names.path(&closed.key, closed.form).metadata()?.modified();
        newest.and_then(|closed| modified(closed).ok()).or_else(|| opened.modified().ok())
    })
}

/// Cuts off the bytes after the last line feed. Returns their number.
///
/// It opens a second handle, because some systems do not let an append-only handle change the
/// length.
fn remove_torn_line(path: &Path, bytes: u64) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    // Most files end with a line feed, so the last byte is checked first.
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
        let message = "the existing file does not consist of lines, so nothing is appended";
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
