//! Lines in a file that survives: closed by size and age, kept by number and bytes, compressed if
//! wanted.
//!
//! ```text
//! write ─▶ rotation.rs ─▶ current.rs          where a line may go; the open file
//!              │ a segment was closed
//!              └▶ keeping.rs ─▶ keeper.rs        removes what is too much
//!                     └▶ background.rs            the same on a thread of its own, and compresses (compress.rs)
//! names.rs   which files beside the current one are ours, and in which order they were closed
//! system.rs  the clock and the calls that tests make fail
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
    /// A file of lines that survives: what it has taken outlives the process, whichever way that
    /// ends.
    ///
    /// The file keeps its name. When it is full or old, it is closed: renamed to a *segment* with
    /// the time in its name, and a new one is begun. `events.jsonl` becomes
    /// `events.20261120T143000.123Z.jsonl`, and with [`gzip`](Self::gzip) then
    /// `events.20261120T143000.123Z.jsonl.gz`. Segments sort by name in the order in which they
    /// were closed, also where the clock went back or two were closed in one millisecond: these
    /// have a counter, as in `events.20261120T143000.123Z_000001.jsonl`.
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
    /// # Promises
    /// * Nothing is held back in the process: a line that counts as written is with the operating
    ///   system, so it survives `kill -9`. What survives a loss of power, too, is what was
    ///   synchronised with the disk: every closed segment, everything at a shutdown, and about
    ///   every second if there is more than 4 MiB.
    /// * A segment begins and ends with a line. No line is in two segments.
    /// * A restart goes on with the file that is there. If a crash has left the last line
    ///   unfinished, that is cut off.
    /// * A full disk, a folder that is gone or may not be written to: lines wait in the output's
    ///   buffer, and go on exactly where they stopped when there is room again. If only a rotation
    ///   fails, the file grows until one succeeds.
    /// * If somebody moves or removes the file, a new one is made within a second, or with the next
    ///   line. `logrotate` needs no `copytruncate`.
    /// * Only files are removed or compressed whose names are exactly those above, beside this very
    ///   file.
    ///
    /// # One process
    /// Two processes must not share a file. If they do, lines of both are in it and none is
    /// overwritten (it is open for appending), but on a full disk lines can be mixed up, a start
    /// may cut off what the other one is writing, and segments may be compressed twice or be
    /// removed early. Give each its own file.
    #[derive(Clone, Debug)]
    #[must_use = "an output is made of it"]
    pub struct EventFile {
        path: PathBuf,
    }

    rotate_size: u64 = 100 * 1024 * 1024, "100 MiB" {
        /// Limits the bytes of a segment. A longer line has a segment of its own.
        fn rotate_size(mut self, bytes: u64) { self.rotate_size = bytes }
        valid "at least one byte" if |bytes| *bytes > 0;
    }

    rotate_age: Duration = Duration::from_secs(24 * 60 * 60), "24 hours" {
        /// Limits the age of the file, counted from its creation and over restarts. An empty file
        /// stays.
        fn rotate_age(mut self, age: Duration) { self.rotate_age = age }
        valid "longer than no time" if |age| !age.is_zero();
    }

    keep_files: usize = 10, "10" {
        /// Limits the number of closed segments. The oldest are removed first.
        fn keep_files(mut self, segments: usize) { self.keep_files = segments }
        valid "at least 1" if |segments| *segments > 0;
    }

    keep_bytes: Option<u64> = None, "no limit" {
        /// Limits the bytes of all closed segments, compressed ones as they are. The oldest are
        /// removed first; the newest one always stays.
        fn keep_bytes(mut self, bytes: u64) { self.keep_bytes = Some(bytes) }
        valid "at least `rotate_size`";
        check Self::check_keep_bytes;
    }

    #[cfg(feature = "gzip")]
    gzip: bool = false, "`false`" {
        /// Compresses closed segments on a thread of its own. A shutdown does not wait for it; the
        /// next start continues.
        fn gzip(mut self, compressed: bool) { self.gzip = compressed }
    }
}

impl EventFile {
    /// A file of this path. Its folder must exist: one that is made by mistake would hide that a
    /// volume is not mounted.
    ///
    /// If the path is a symbolic link, the segments are beside the file that it points to.
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

    fn check_keep_bytes(&self, setting: &'static str, expected: &'static str) -> Result<(), BuildError> {
        match self.keep_bytes {
            Some(bytes) if bytes < self.rotate_size => {
                Err(BuildError::new(setting, bytes.to_string(), expected))
            }
            _ => Ok(()),
        }
    }

    /// Opens the file, or makes it.
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
            let limits = SegmentLimits { size: self.rotate_size, age: self.rotate_age };
            Rotating::open(names, limits, keeper, system)
        };
        absolute.and_then(open).map_err(|error| of(&self.path, &error))
    }
}

/// An empty one is the working directory.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// The error, with the file that it is about.
fn of(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("event file {}: {error}", path.display()))
}
