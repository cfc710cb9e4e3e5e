//! Tests of the event file. Each test has real files in its own folder. [`Fake`] provides the time
//! and the faults.

#![expect(
    clippy::disallowed_methods,
    reason = "variables hand a test's folder to the process that it starts"
)]

pub(crate) mod closed;
#[cfg(feature = "gzip")]
pub(crate) mod compressed;
#[cfg(feature = "gzip")]
pub(crate) mod crash;
pub(crate) mod faults;
pub(crate) mod model;
pub(crate) mod rotation;

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, Metadata},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use flate2::read::GzDecoder;

use super::{EventFile, rotation::Rotating, system::System};
use crate::outputs::delivery::sink::EventSink as _;

/// A folder that is removed with its files.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("obs-file-{}-{number}", process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }

    /// Settings whose limits no test reaches.
    fn file(&self) -> EventFile {
        EventFile::new(self.path()).keep_files(1_000_000).rotate_age(Duration::MAX).rotate_size(u64::MAX)
    }

    fn current(&self) -> String {
        fs::read_to_string(self.path()).expect("the current file")
    }

    /// The names of all files, sorted: closed segments come before the current file.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> = entries.map(name).map(|name| name.into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    /// The uncompressed content of each file, in the order of names.
    fn segments(&self) -> Vec<Vec<u8>> {
        until("all compressions have ended", || {
            let files = self.files();
            let both = |name: &String| name.ends_with(".gz") && files.contains(&name.replace(".gz", ""));
            !files.iter().any(|name| name.ends_with(".tmp") || both(name))
        });
        self.files().iter().map(|name| read(&self.0.join(name))).collect()
    }

    fn all(&self) -> String {
        String::from_utf8(self.segments().concat()).expect("UTF-8")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).expect("a segment");
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(file).read_to_end(&mut bytes).expect("complete and compressed");
    } else {
        file.read_to_end(&mut bytes).expect("readable");
    }
    bytes
}

#[cfg(feature = "gzip")]
fn random() -> u64 {
    let mut bytes = [0; 8];
    crate::base::random::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

/// Waits for another thread. The limit is only a guard against a hang.
fn until(what: &str, happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A system with a manual clock and a disk that fails on demand.
#[derive(Clone)]
struct Fake(Arc<Mutex<Faults>>);

struct Faults {
    now: SystemTime,
    /// The bytes that still fit on the disk.
    room: usize,
    /// The limit of bytes that one `write` accepts.
    step: usize,
    rename_fails: bool,
    sync_fails: bool,
    birth_known: bool,
    /// The length of each file, by inode, at its last synchronisation.
    synced: BTreeMap<u64, u64>,
    warnings: Vec<String>,
}

impl Fake {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Faults {
            now: SystemTime::now(),
            room: usize::MAX,
            step: usize::MAX,
            rename_fails: false,
            sync_fails: false,
            birth_known: true,
            synced: BTreeMap::new(),
            warnings: Vec::new(),
        })))
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, time: Duration) {
        self.faults().now += time;
    }
}

impl System for Fake {
    fn now(&self) -> SystemTime {
        self.faults().now
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        let mut faults = self.faults();
        let fits = bytes.len().min(faults.room).min(faults.step);
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write_all(&bytes[..fits])?;
        faults.room -= fits;
        Ok(fits)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.faults().rename_fails {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        fs::rename(from, to)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.faults().sync_fails {
            return Err(io::Error::other("the disk is gone"));
        }
        #[cfg(unix)]
        {
            let metadata = file.metadata()?;
            let number = std::os::unix::fs::MetadataExt::ino(&metadata);
            self.faults().synced.insert(number, metadata.len());
        }
        file.metadata().map(drop)
    }

    fn warn(&self, message: fmt::Arguments<'_>) {
        self.faults().warnings.push(message.to_string());
    }

    fn created_at(&self, metadata: &Metadata) -> Option<SystemTime> {
        metadata.created().ok().filter(|_| self.faults().birth_known)
    }
}

fn open(file: EventFile, system: &Fake) -> Rotating<Fake> {
    file.open_on(system.clone()).expect("it can be opened")
}

/// Writes all lines like the delivery worker, without its pauses.
fn write_all(sink: &mut Rotating<Fake>, mut lines: &[u8]) {
    while !lines.is_empty() {
        let taken = sink.write(lines).expect("written");
        lines = &lines[taken..];
    }
}
