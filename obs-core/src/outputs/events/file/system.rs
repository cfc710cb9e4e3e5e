//! What the sink asks of the system and a test wants to answer itself: the time, a full disk, a rename that fails.

use std::{
    fmt,
    fs::{self, File, Metadata},
    io::{self, Write as _},
    path::Path,
    time::SystemTime,
};

use crate::base::diagnostics;

pub(super) trait System: Send + 'static {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// One `write(2)`.
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        ignore_unsupported(file.sync_data())
    }

    /// When the file was made, where the file system knows.
    fn created_at(&self, metadata: &Metadata) -> Option<SystemTime> {
        metadata.created().ok()
    }

    fn warn(&self, message: fmt::Arguments<'_>) {
        diagnostics::warn(message);
    }
}

pub(super) struct Real;

impl System for Real {}

/// Makes the names in a folder survive a loss of power. Elsewhere than on unix a folder cannot be opened.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    ignore_unsupported(File::open(folder)?.sync_all())
}

/// Pipes, devices and some network file systems have no such thing.
fn ignore_unsupported(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        result => result,
    }
}
