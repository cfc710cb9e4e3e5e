//! Compression of a closed segment. It writes to a temporary name first, so a file with the suffix
//! `.gz` is always complete.

use std::{
    fs::{self, File, FileTimes, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use flate2::Compression;

use super::{
    keeper::claim,
    names::{FileNames, Form},
    system::{sync_folder, with_mode},
};
use crate::write::gzip::GzipEncoder;

/// The bytes that are compressed between two checks of the stop flag.
const BLOCK: usize = 64 * 1024;

/// Replaces a segment by its compressed form. If that is stopped or fails, the segment is
/// unchanged.
pub(super) fn compress(names: &FileNames, key: &str, stop: &AtomicBool) -> io::Result<()> {
    let original = names.path(key, Form::Uncompressed);
    let partial = names.path(key, Form::Partial);
    let claimed = claim(&original)?;
    match write(claimed.file(), &partial, stop) {
        Ok(true) => {
            fs::rename(&partial, names.path(key, Form::Gzip))?;
            // The original is removed only once its replacement would survive a loss of power.
            sync_folder(&names.folder)?;
            fs::remove_file(original)
        }
        Ok(false) => fs::remove_file(partial),
        Err(error) => {
            let _ = fs::remove_file(partial);
            Err(error)
        }
    }
}

/// Writes the compressed form. Returns false if it was stopped.
fn write(mut lines: &File, partial: &Path, stop: &AtomicBool) -> io::Result<bool> {
    let metadata = lines.metadata()?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let mut encoder =
        GzipEncoder::new(with_mode(&mut options, 0o600).open(partial)?, Compression::default())?;
    // Users who cannot read the original must not be able to read the copy.
    encoder.get_mut().set_permissions(metadata.permissions())?;
    let mut block = vec![0; BLOCK];
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let read = match lines.read(&mut block) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        encoder.write_all(block.get(..read).unwrap_or_default())?;
    }
    let file = encoder.finish()?;
    // The time of modification stays that of the events, for tools that select files by age.
    file.set_times(FileTimes::new().set_modified(metadata.modified()?))?;
    file.sync_all()?;
    Ok(!stop.load(Ordering::Relaxed))
}
