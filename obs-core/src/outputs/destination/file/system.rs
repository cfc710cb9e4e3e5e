//! The calls of the operating system that tests replace: the time, writes, renames and
//! synchronisation.

use std::{
    fmt,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write as _},
    path::Path,
    time::SystemTime,
};

use crate::redact::diagnostics;

pub(super) trait System: Send + 'static {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Calls `write(2)` once.
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        ignore_unsupported(file.sync_data())
    }

    /// Returns the time at which the file was created, if the file system knows it.
    fn created_at(&self, metadata: &Metadata) -> Option<SystemTime> {
        metadata.created().ok()
    }

    fn warn(&self, message: fmt::Arguments<'_>) {
        diagnostics::warn(message);
    }
}

/// Sets the permissions of a file that is created. Systems other than Unix ignore them.
pub(super) fn with_mode(options: &mut OpenOptions, mode: u32) -> &OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options
}

pub(super) struct Real;

impl System for Real {}

/// Synchronises a folder, so the names in it survive a loss of power. On systems other than Unix a
/// folder cannot be opened, and nothing happens.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    ignore_unsupported(File::open(folder)?.sync_all())
}

/// Ignores the errors of files that cannot be synchronised: pipes, devices and files on some
/// network file systems.
fn ignore_unsupported(synced: io::Result<()>) -> io::Result<()> {
    match synced {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        result => result,
    }
}
