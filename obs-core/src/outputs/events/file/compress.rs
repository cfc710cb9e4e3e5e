//! Compresses a closed segment: under another name first, so that what is called `.gz` is always whole.

use std::{
    fs::{self, File, FileTimes},
    io::{self, Read as _, Write as _},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use flate2::Compression;

use super::{
    keeper::claim,
    names::{FileNames, Form},
    system::sync_folder,
};
use crate::write::gzip::GzipEncoder;

/// After each block it is asked whether to stop.
const BLOCK: usize = 64 * 1024;

/// If it is stopped or fails, the segment is as it was.
pub(super) fn compress(names: &FileNames, key: &str, stop: &AtomicBool) -> io::Result<()> {
    let original = names.path(key, Form::Uncompressed);
    let partial = names.path(key, Form::Partial);
    let claimed = claim(&original)?;
    match write(claimed.file(), &partial, stop) {
        Ok(true) => {
            fs::rename(&partial, names.path(key, Form::Gzip))?;
            // The original goes only when its replacement would survive a loss of power.
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

/// Whether it was done, and not stopped.
fn write(mut lines: &File, partial: &Path, stop: &AtomicBool) -> io::Result<bool> {
    let metadata = lines.metadata()?;
    let mut encoder = GzipEncoder::new(File::create(partial)?, Compression::default())?;
    // Whoever may not read the original may not read this, either.
    encoder.get_ref().set_permissions(metadata.permissions())?;
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
    // Its age is that of its lines, for whoever looks for files by age.
    file.set_times(FileTimes::new().set_modified(metadata.modified()?))?;
    file.sync_all()?;
    Ok(!stop.load(Ordering::Relaxed))
}
