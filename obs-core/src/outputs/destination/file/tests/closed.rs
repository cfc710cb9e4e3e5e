//! Tests of the limits for closed segments.

use super::*;

pub(super) fn gz(folder: &Folder) -> usize {
    folder.files().iter().filter(|name| name.ends_with(".gz")).count()
}

/// Creates a segment that was closed at this second of a day long ago.
pub(super) fn put(folder: &Folder, second: u32, suffix: &str, bytes: impl AsRef<[u8]>) -> String {
    let name = format!("events.20010101T0000{second:02}.000Z.jsonl{suffix}");
    fs::write(folder.0.join(&name), bytes).expect("a segment");
    name
}

#[test]
fn the_oldest_segments_are_removed_beyond_the_number() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_size(2).keep_files(2), &system);
    for line in 0..9 {
        write_all(&mut sink, format!("{line}\n").as_bytes());
        system.pass(Duration::from_secs(1));
    }
    assert_eq!(folder.files().len(), 3);
    assert_eq!(folder.all(), "6\n7\n8\n");
}

#[test]
fn the_oldest_segments_are_removed_beyond_the_bytes() {
    let (folder, system) = (Folder::new(), Fake::new());
    put(&folder, 1, "", "old\n");
    let mut sink = open(folder.file().rotate_size(10).keep_bytes(25), &system);
    for line in 0..9 {
        write_all(&mut sink, format!("line {line:04}\n").as_bytes());
    }
    assert_eq!(
        folder.all(),
        "line 0006\nline 0007\nline 0008\n",
        "20 bytes are closed, 30 would be too many"
    );
    // A segment that is larger than the limit is kept as the newest.
    write_all(&mut sink, b"a line that is longer than all that may be kept\n");
    write_all(&mut sink, b"next\n");
    assert_eq!(folder.all(), "a line that is longer than all that may be kept\nnext\n");
}

/// A start applies the current settings, which may have changed since the last start.
#[test]
fn a_start_removes_segments_beyond_the_limits_and_no_other_files() {
    let (folder, system) = (Folder::new(), Fake::new());
    let [first, second, third] = [1, 2, 3].map(|second| put(&folder, second, "", "1\n"));
    let partial = put(&folder, 4, ".gz.tmp", "half");
    let others = [
        "events.20010101T000000.000Z.json",
        "events.20010101T000000.000Z.jsonl.bak",
        "events.old.jsonl",
        "other.20010101T000000.000Z.jsonl",
    ];
    for other in others {
        fs::write(folder.0.join(other), "precious").expect("a file");
    }
    let folder_of_this_name = "events.20010101T000009.000Z.jsonl";
    fs::create_dir(folder.0.join(folder_of_this_name)).expect("a folder");
    drop(open(folder.file().keep_files(2), &system));
    let files = folder.files();
    for gone in [first, partial] {
        assert!(!files.contains(&gone), "{gone}");
    }
    for kept in [second.as_str(), &third, folder_of_this_name, "events.jsonl"].iter().chain(&others) {
        assert!(files.iter().any(|name| name == kept), "{kept}");
    }
}

/// A crash may happen at each of these steps of a compression.
#[test]
fn a_crash_during_compression_neither_loses_nor_repeats_events() {
    for gzip in [cfg!(feature = "gzip"), false] {
        let (folder, system) = (Folder::new(), Fake::new());
        // In order: in the middle, after the rename but before the removal of the original, at the
        // end.
        put(&folder, 1, "", "1\n");
        put(&folder, 1, ".gz.tmp", "half");
        put(&folder, 2, "", "2\n");
        put(&folder, 2, ".gz", gzipped("2\n"));
        put(&folder, 3, ".gz", gzipped("3\n"));
        let file = folder.file();
        #[cfg(feature = "gzip")]
        let file = file.gzip(gzip);
        let sink = open(file, &system);
        until("the keeper has run", || gz(&folder) == if gzip { 3 } else { 1 });
        assert_eq!(folder.all(), "1\n2\n3\n");
        assert_eq!(folder.files().len(), 4, "{:?}", folder.files());
        drop(sink);
    }
}

pub(super) fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("in memory")
}

/// A dropped sink may still compress a segment that its successor finds.
#[test]
fn a_segment_that_another_sink_compresses_is_kept() {
    let (folder, system) = (Folder::new(), Fake::new());
    let name = put(&folder, 1, "", "1\n");
    put(&folder, 1, ".gz.tmp", "half");
    let other = File::open(folder.0.join(&name)).expect("a segment");
    other.lock().expect("a lock");
    let sink = open(folder.file(), &system);
    assert_eq!(folder.files().len(), 3);
    drop((sink, other));
    drop(open(folder.file(), &system));
    assert_eq!(folder.files(), [name.as_str(), "events.jsonl"]);
}
