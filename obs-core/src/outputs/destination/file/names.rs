//! The names of closed segments. A name shows that a file is ours, and names sort in the order in
//! which the segments were closed.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    base::{clock::since_1970, sort::sort_by},
    write::rfc3339,
};

/// The pattern of a time in a name. `0` stands for any digit.
const TIME: &[u8] = b"00000000T000000.000Z";
/// The pattern of a counter in a name. `_` sorts after the `.` that follows a time without a
/// counter.
const COUNTER: &[u8] = b"_000000";

/// The path of the current file, and the parts of the names of its segments.
#[derive(Clone)]
pub(super) struct FileNames {
    pub(super) current: PathBuf,
    pub(super) folder: PathBuf,
    stem: OsString,
    /// The extension with its dot.
    extension: OsString,
}

/// A file that belongs to a closed segment. Values sort in the order of closing.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Closed {
    /// The distinguishing part of its name: the time, and the counter if there is one.
    pub(super) key: String,
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Form {
    Uncompressed,
    Gzip,
    /// A compressed file that is not complete, or that a crash left.
    Partial,
}

impl Form {
    const ALL: [Self; 3] = [Self::Uncompressed, Self::Gzip, Self::Partial];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Uncompressed => "",
            Self::Gzip => ".gz",
            Self::Partial => ".gz.tmp",
        }
    }
}

impl FileNames {
    pub(super) fn new(current: PathBuf) -> io::Result<Self> {
        let Some(stem) = current.file_stem().map(OsStr::to_owned) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no file name"));
        };
        let mut extension = OsString::new();
        if let Some(name) = current.extension() {
            extension.push(".");
            extension.push(name);
        }
        Ok(Self { folder: super::folder(&current).to_owned(), current, stem, extension })
    }

    pub(super) fn path(&self, key: &str, form: Form) -> PathBuf {
        let mut name = self.stem.clone();
        name.push(".");
        name.push(key);
        name.push(&self.extension);
        name.push(form.suffix());
        self.folder.join(name)
    }

    /// The files of closed segments, the oldest first.
    pub(super) fn closed(&self) -> io::Result<Vec<Closed>> {
        let mut closed = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Some(found) = self.parse(&entry.file_name())
                && entry.file_type()?.is_file()
            {
                closed.push(found);
            }
        }
        sort_by(&mut closed, Ord::cmp);
        Ok(closed)
    }

    fn parse(&self, name: &OsStr) -> Option<Closed> {
        let rest = name.as_encoded_bytes().strip_prefix(self.stem.as_encoded_bytes())?.strip_prefix(b".")?;
        // The extension may be `.gz` itself, so each form is tried.
        Form::ALL.into_iter().find_map(|form| {
            let rest = rest.strip_suffix(form.suffix().as_bytes())?;
            let key = rest.strip_suffix(self.extension.as_encoded_bytes())?;
            let (time, counter) = key.split_at_checked(TIME.len())?;
            let ours = is_like(time, TIME) && (counter.is_empty() || is_like(counter, COUNTER));
            let key = std::str::from_utf8(key).ok().filter(|_| ours)?;
            Some(Closed { key: key.to_owned(), form })
        })
    }

    /// Returns the path for a segment that is closed now. Its name sorts after all existing ones,
    /// even if the clock went back.
    pub(super) fn next(&self, now: SystemTime) -> io::Result<PathBuf> {
        let mut key = time(now);
        let closed = self.closed()?;
        let next = |key: &str| {
            after(key).ok_or_else(|| io::Error::other("the counter in the names of segments is exhausted"))
        };
        if let Some(newest) = closed.last().filter(|newest| newest.key >= key) {
            key = next(&newest.key)?;
        }
        // A rename would replace a file of this name that is not a segment.
        while fs::symlink_metadata(self.path(&key, Form::Uncompressed)).is_ok() {
            key = next(&key)?;
        }
        Ok(self.path(&key, Form::Uncompressed))
    }
}

/// Formats a time as in `20261120T143000.123Z`.
fn time(now: SystemTime) -> String {
    let text = rfc3339::text(since_1970(now));
    let digits = text.iter().filter(|byte| !matches!(byte, b'-' | b':')).map(|byte| char::from(*byte));
    // The last three digits of the microseconds are skipped.
    let mut time: String = digits.take(TIME.len().saturating_sub(1)).collect();
    time.push('Z');
    time
}

/// Returns the key with the same time and the next counter.
fn after(key: &str) -> Option<String> {
    let (time, counter) = key.split_at_checked(TIME.len())?;
    let counter = counter.get(1..).map_or(Ok(0), str::parse::<u32>).ok()?.checked_add(1)?;
    (counter < 1_000_000).then(|| format!("{time}_{counter:06}"))
}

fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let alike = |(byte, pattern): (&u8, &u8)| {
        if *pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern }
    };
    text.len() == pattern.len() && text.iter().zip(pattern).all(alike)
}

/// Returns the metadata of the path if it leads to the file of `open`. On systems other than Unix
/// it returns the metadata of any file at the path.
pub(super) fn is_at(path: &Path, open: &fs::Metadata) -> Option<fs::Metadata> {
    let there = fs::metadata(path).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        (there.dev() == open.dev() && there.ino() == open.ino()).then_some(there)
    }
    #[cfg(not(unix))]
    {
        let _ = open;
        Some(there)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn names(path: &str) -> FileNames {
        FileNames::new(PathBuf::from(path)).expect("a name")
    }

    #[test]
    fn a_segment_has_its_time_as_name() {
        let now = UNIX_EPOCH + Duration::from_millis(1_795_171_708_042);
        assert_eq!(time(now), "20261120T104828.042Z");
        let path = names("/a/events.jsonl").path(&time(now), Form::Gzip);
        assert_eq!(path, Path::new("/a/events.20261120T104828.042Z.jsonl.gz"));
    }

    #[test]
    fn only_names_of_this_exact_form_are_segments() {
        let key = "20261120T104828.042Z";
        for path in ["events.jsonl", "events", ".events", "a.b.jsonl", "events.gz", "ä ö.log"] {
            let names = names(path);
            for form in Form::ALL {
                for key in [key.to_owned(), format!("{key}_000007")] {
                    let path = names.path(&key, form);
                    let name = path.file_name().expect("a name");
                    assert_eq!(names.parse(name), Some(Closed { key, form }), "{name:?}");
                }
            }
        }
        let names = names("events.jsonl");
        for other in [
            "events.jsonl",
            "events.jsonl.gz",
            "events.20261120T104828.042Z",
            "events.20261120T104828.042Z.json",
            "events.20261120T104828.042Z.jsonl.bak",
            "events.20261120T104828.042Z.jsonl.gz.gz",
            "events.20261120T104828.042Z.jsonl.tmp",
            "events.20261120T104828.04Z.jsonl",
            "events.20261120T104828.042.jsonl",
            "events.20261120T104828.042Z_7.jsonl",
            "events.20261120T104828.042Z_00000a.jsonl",
            "events.old.20261120T104828.042Z.jsonl",
            "old.events.20261120T104828.042Z.jsonl",
            "events20261120T104828.042Z.jsonl",
            "events.20261120T104828.042Zjsonl",
            "events..jsonl",
            "",
        ] {
            assert_eq!(names.parse(OsStr::new(other)), None, "{other}");
        }
    }

    #[test]
    fn later_keys_and_their_file_names_sort_after_earlier_ones() {
        let names = names("events.jsonl");
        let first = "20261120T104828.042Z".to_owned();
        let keys: Vec<_> = std::iter::successors(Some(first), |key| after(key)).take(1_200).collect();
        assert_eq!(keys.last().expect("some"), "20261120T104828.042Z_001199");
        for (key, next) in keys.iter().zip(keys.iter().skip(1)) {
            assert!(key < next);
            for form in Form::ALL {
                for other in Form::ALL {
                    let (earlier, later) = (names.path(key, form), names.path(next, other));
                    assert!(earlier.as_os_str() < later.as_os_str(), "{earlier:?} {later:?}");
                }
            }
        }
        assert_eq!(after("20261120T104828.042Z_999999"), None);
    }
}
