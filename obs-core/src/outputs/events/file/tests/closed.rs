//! What becomes of closed segments.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::outputs::events::file::{keeper::Keeper, names::Names};

fn gz(folder: &Folder) -> usize {
    folder.files().iter().filter(|name| name.ends_with(".gz")).count()
}

/// A segment of ours, closed in this second of a day long ago.
fn put(folder: &Folder, second: u32, suffix: &str, bytes: impl AsRef<[u8]>) -> String {
    let name = format!("events.20010101T0000{second:02}.000Z.jsonl{suffix}");
    fs::write(folder.0.join(&name), bytes).expect("a segment");
    name
}

#[test]
fn the_oldest_segments_go_first_by_number() {
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
fn the_oldest_segments_go_first_by_bytes() {
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
    // What is longer than everything that may be kept is still the newest.
    write_all(&mut sink, b"a line that is longer than all that may be kept\n");
    write_all(&mut sink, b"next\n");
    assert_eq!(folder.all(), "a line that is longer than all that may be kept\nnext\n");
}

/// Settings may have changed since the last start.
#[test]
fn a_start_removes_what_is_too_much_and_nothing_that_is_not_ours() {
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

#[test]
fn closed_segments_are_compressed_and_keep_their_lines_time_and_permissions() {
    let (folder, system) = (Folder::new(), Fake::new());
    let name = put(&folder, 1, "", "long ago\n");
    let path = folder.0.join(&name);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(978_307_201);
    File::options().write(true).open(&path).and_then(|file| file.set_modified(long_ago)).expect("a time");
    #[cfg(unix)]
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("permissions");
    let mut sink = open(folder.file().rotate_size(1_000).gzip(true), &system);
    let line = format!("{}\n", "x".repeat(99));
    write_all(&mut sink, line.repeat(55).as_bytes());
    until("all are compressed", || gz(&folder) == 6);
    assert_eq!(folder.all(), format!("long ago\n{}", line.repeat(55)));
    assert_eq!(folder.files().len(), 7, "no original is left");
    let compressed = fs::metadata(folder.0.join(name + ".gz")).expect("it");
    assert_eq!(compressed.modified().expect("a time"), long_ago);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&compressed.permissions()) & 0o777, 0o640);
}

#[test]
fn compressed_segments_count_as_they_are() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_size(100_000).keep_bytes(100_000).gzip(true), &system);
    for _ in 0..20 {
        write_all(&mut sink, format!("{}\n", "x".repeat(99_999)).as_bytes());
    }
    until("all are compressed", || gz(&folder) == 19);
    drop(sink);
    assert_eq!(folder.segments().len(), 20, "a hundred to one");
    // Random digits do not become that small.
    let mut sink =
        open(folder.file().rotate_size(100_000).keep_bytes(100_000).keep_files(100).gzip(true), &system);
    for _ in 0..8 {
        let digits: String = (0..6_000).map(|_| format!("{:016x}", random())).collect();
        write_all(&mut sink, format!("{digits}\n").as_bytes());
    }
    until("old ones are gone", || {
        let closed = folder.files().into_iter().filter(|name| name != "events.jsonl");
        let size = |name: String| fs::metadata(folder.0.join(name)).map_or(0, |metadata| metadata.len());
        closed.map(size).sum::<u64>() <= 100_000
    });
}

/// Each place in which a crash may come while a segment is compressed.
#[test]
fn a_crash_while_compressing_loses_and_doubles_nothing() {
    for gzip in [true, false] {
        let (folder, system) = (Folder::new(), Fake::new());
        // In the middle; after the rename, before the original was removed; at the end.
        put(&folder, 1, "", "1\n");
        put(&folder, 1, ".gz.tmp", "half");
        put(&folder, 2, "", "2\n");
        put(&folder, 2, ".gz", gzipped("2\n"));
        put(&folder, 3, ".gz", gzipped("3\n"));
        let sink = open(folder.file().gzip(gzip), &system);
        until("it has been cared for", || gz(&folder) == if gzip { 3 } else { 1 });
        assert_eq!(folder.all(), "1\n2\n3\n");
        assert_eq!(folder.files().len(), 4, "{:?}", folder.files());
        drop(sink);
    }
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("in memory")
}

/// A sink that was dropped may still compress what its successor finds.
#[test]
fn what_somebody_else_compresses_is_left_alone() {
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

/// A folder is where the compressed file should be begun: as root or not, that cannot be.
#[test]
fn a_segment_that_cannot_be_compressed_stays_and_the_others_are_still_kept_few() {
    let (folder, system) = (Folder::new(), Fake::new());
    let [_, second, third] = [1, 2, 3].map(|second| put(&folder, second, "", "1\n"));
    fs::create_dir(folder.0.join(format!("{second}.gz.tmp"))).expect("a folder");
    let mut sink = open(folder.file().rotate_size(2).keep_files(2).gzip(true), &system);
    until("the oldest is gone", || {
        folder.files() == [&second, &format!("{second}.gz.tmp"), &third, "events.jsonl"]
    });
    write_all(&mut sink, b"4\n5\n");
    until("the next one is gone", || !folder.files().contains(&second));
    drop(sink);
    let names = Names::new(folder.path()).expect("a name");
    let keeper = Keeper { names, keep_files: 2, keep_bytes: None, gzip: true };
    until("nothing is in the way of these", || keeper.run(&AtomicBool::new(false)).is_ok());
    put(&folder, 2, "", "1\n");
    let newer = put(&folder, 3, "", "1\n");
    fs::create_dir(folder.0.join(format!("{newer}.gz.tmp"))).expect("a folder");
    let keeper = Keeper { keep_files: 1_000_000, ..keeper };
    keeper.run(&AtomicBool::new(false)).expect_err("so it is tried again");
    assert!(folder.files().iter().any(|name| name.starts_with(&third)));
}

/// A shutdown does not wait for a large segment, and there is never half of one under its last name.
#[test]
fn dropping_gives_up_a_compression_and_the_next_start_resumes_it() {
    let (folder, system) = (Folder::new(), Fake::new());
    let digits: String = (0..2_000_000).map(|_| format!("{:015x}\n", random() >> 4)).collect();
    put(&folder, 0, ".gz", gzipped("older\n"));
    let name = put(&folder, 1, "", &digits);
    // Room for it as soon as it is compressed; until then nothing may go because of it.
    let file = || folder.file().keep_bytes(24_000_000).gzip(true);
    let sink = open(file(), &system);
    until("it has begun", || folder.files().contains(&format!("{name}.gz.tmp")));
    let start = Instant::now();
    drop(sink);
    until("it was given up", || !folder.files().contains(&format!("{name}.gz.tmp")));
    let given_up = start.elapsed();
    let all = format!("older\n{digits}");
    assert!(folder.all() == all, "whole, compressed or not");
    let start = Instant::now();
    let sink = open(file(), &system);
    until("it is compressed", || gz(&folder) == 2);
    assert!(given_up < start.elapsed() / 2, "a block of hundreds, not the rest of it: {given_up:?}");
    assert!(folder.all() == all);
    drop(sink);
}
