//! An event file that survives a crash. It rotates by size and age, keeps a limited number of
//! closed segments, and can compress them.
//!
//! ```text
//! write ─▶ rotation.rs ─▶ current.rs           chooses the file of a line; the open file
//!              │ a segment is closed
//!              └▶ keeping.rs ─▶ keeper.rs      removes segments beyond the limits
//!                     └▶ background.rs         the same on its own thread, with compression
//!                     (compress.rs)
//! names.rs   the names of segments, and the order in which they were closed
//! system.rs  the clock, and the system calls that fail in tests
//! ```

#[cfg(feature = "gzip")]
pub(crate) mod background;
#[cfg(feature = "gzip")]
pub(crate) mod compress;
pub(crate) mod current;
pub(crate) mod keeper;
pub(crate) mod keeping;
pub(crate) mod names;
pub(crate) mod rotation;
pub(crate) mod system;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::file::{
    keeper::Keeper,
    names::FileNames,
    rotation::{Rotating, SegmentLimits},
    system::{Real, System},
};
use crate::base::{build_error::BuildError, environment::Environment, settings::settings};
use crate::outputs::delivery::sink::EventSink;

settings! {
    /// An event file that survives a crash: written events outlive the process, however it ends.
    ///
    /// The current file always has the same name. When it is full or old, it is closed: it is
    /// renamed to a *segment* with the time in its name, and a new file is created. `events.jsonl`
    /// becomes `events.20261120T143000.123Z.jsonl`, and with [`gzip`](Self::gzip) later
    /// `events.20261120T143000.123Z.jsonl.gz`.
    ///
    /// Segments sort by name in the order in which they were closed. If the clock went back, or if
    /// two were closed in the same millisecond, the name has a counter, as in
    /// `events.20261120T143000.123Z_000001.jsonl`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use obs_core::EventFile;
    ///
    /// let file = EventFile::new("/var/log/shop/events.jsonl")
    ///     .rotate_size(256 * 1024 * 1024)
    ///     .rotate_age(Duration::from_secs(60 * 60))
    ///     .keep_files(48)
    ///     .gzip(true);
    /// ```
    ///
    /// # Guarantees
    /// * The process buffers nothing: an event that counts as written has reached the operating
    ///   system, so it survives `kill -9`.
    /// * Data that is synchronised with the disk also survives a loss of power. Files are
    ///   synchronised when a segment is closed, at a shutdown, and about every second if more than
    ///   4 MiB are not synchronised.
    /// * A segment contains only complete events. No event is split between two segments.
    /// * A restart appends to the existing file. If a crash left the last event incomplete, it is
    ///   removed.
    /// * If the disk is full, or the folder is missing or not writable, events wait in the output's
    ///   queue. Writing continues at the exact byte at which it stopped. If only a rotation fails,
    ///   the file grows until a rotation succeeds.
    /// * If the file is moved or removed, a new one is created within a second or with the next
    ///   event. `logrotate` does not need `copytruncate`.
    /// * Only files in the same folder are compressed or removed, and only if their names have
    ///   exactly the forms above, or end with `.gz.tmp` instead of `.gz`.
    ///
    /// # One process
    /// Two processes must not share a file: give each process its own. If two share one, the file
    /// contains the events of both and none is overwritten, because the file is open for appending.
    /// But:
    /// * on a full disk, events can be mixed;
    /// * a start may cut off an event that the other process is writing;
    /// * segments may be compressed twice, or be removed too early.
    #[derive(Clone, Debug)]
    #[must_use = "pass it to `EventOutput::file`"]
    pub struct EventFile {
        path: PathBuf,
    }

    rotate_size: u64 = 100 * 1024 * 1024, "100 MiB" {
        /// Limits the bytes of the current file. A full file is closed and renamed, and is then
        /// called a segment. An event that is larger than the limit gets its own segment.
        fn rotate_size(mut self, bytes: u64) { self.rotate_size = bytes }
        valid "at least one byte" if |bytes| *bytes > 0;
    }

    rotate_age: Duration = Duration::from_secs(24 * 60 * 60), "24 hours" {
        /// Limits the age of the current file since its creation, across restarts. An empty file of
        /// this age stays open, and its age starts again at zero.
        fn rotate_age(mut self, age: Duration) { self.rotate_age = age }
        valid "longer than zero" if |age| !age.is_zero();
    }

    keep_files: usize = 10, "10" {
        /// Limits the number of closed segments. The oldest are removed first.
        fn keep_files(mut self, segments: usize) { self.keep_files = segments }
        valid "at least 1" if |segments| *segments > 0;
    }

    keep_bytes: Option<u64> = None, "no limit" {
        /// Limits the bytes of all closed segments on the disk, compressed or not. The oldest are
        /// removed first. The newest one is always kept.
        fn keep_bytes(mut self, bytes: u64) { self.keep_bytes = Some(bytes) }
        valid "at least `rotate_size`";
        check Self::check_keep_bytes;
    }

    mode: u32 = 0o600, "`0o600`: only the user of the process" {
        /// Sets the permissions of the files that are created, on Unix. The file mode creation mask
        /// of the process (`umask`) also applies. A file that exists keeps its permissions. A
        /// segment has the permissions of the file from which it was made.
        fn mode(mut self, mode: u32) { self.mode = mode }
        variable "OBS_EVENTS_FILE_MODE": "the permissions of new event files in octal, such as `640`"
            => octal;
        valid "at most `0o777`, and the owner may write" if |mode| *mode <= 0o777 && mode & 0o200 != 0;
    }

    #[cfg(feature = "gzip")]
    gzip: bool = false, "`false`" {
        /// Compresses closed segments on a separate thread. A shutdown does not wait for it. The
        /// next start compresses the segments that are left.
        fn gzip(mut self, compressed: bool) { self.gzip = compressed }
    }
}

impl EventFile {
    /// Returns the settings of a file with this path. Its folder must exist. It is not created,
    /// because that would hide a volume that is not mounted.
    ///
    /// If the path is a symbolic link, segments are in the folder of the file to which it points.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::defaults(path.into())
    }

    /// Rejects the first invalid value.
    pub(crate) fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_values(environment)?;
        let setting = environment.name_of(&["OBS_EVENTS"], &["EventFile::new"]);
        let invalid = |expected| Err(BuildError::new(setting, self.path.display().to_string(), expected));
        if self.path.file_name().is_none() || self.path.is_dir() {
            return invalid("the path of a file");
        }
        if !folder(&self.path).is_dir() {
            return invalid("the path of a file in a folder that exists");
        }
        Ok(())
    }

    /// The path without links and without `.`, as far as it exists.
    pub(crate) fn absolute(&self) -> PathBuf {
        let absolute = fs::canonicalize(&self.path).or_else(|_| std::path::absolute(&self.path));
        absolute.unwrap_or_else(|_| self.path.clone())
    }

    fn check_keep_bytes(&self, setting: &'static str, expected: &'static str) -> Result<(), BuildError> {
        match self.keep_bytes {
            Some(bytes) if bytes < self.rotate_size => {
                Err(BuildError::new(setting, bytes.to_string(), expected))
            }
            _ => Ok(()),
        }
    }

    /// Opens the file, or creates it.
    pub(crate) fn open(self) -> io::Result<impl EventSink> {
        self.open_on(Real)
    }

    fn open_on<S: System>(self, system: S) -> io::Result<Rotating<S>> {
        let link = fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.is_symlink());
        let absolute = if link { fs::canonicalize(&self.path) } else { std::path::absolute(&self.path) };
        let open = |path: PathBuf| {
            let names = FileNames::new(path)?;
            let keeper = Keeper {
                names: names.clone(),
                keep_files: self.keep_files,
                keep_bytes: self.keep_bytes,
                #[cfg(feature = "gzip")]
                gzip: self.gzip,
            };
            let limits = SegmentLimits { size: self.rotate_size, age: self.rotate_age, mode: self.mode };
            Rotating::open(names, limits, keeper, system)
        };
        absolute.and_then(open).map_err(|error| {
            let message = format!("cannot open event file {}: {error}", self.path.display());
            io::Error::new(error.kind(), message)
        })
    }
}

/// Parses permissions such as `640` and `0640`.
fn octal(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    if digits { u32::from_str_radix(text, 8).ok() } else { None }
}

/// Returns the folder of a file: the working directory if the path has no folder.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Adds the path of the file to the error.
fn of(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("event file {}: {error}", path.display()))
}
