//! Tests of the compression of closed segments.

use std::sync::atomic::AtomicBool;

use super::{
    closed::{gz, gzipped, put},
    *,
};
use crate::outputs::destination::file::{keeper::Keeper, names::FileNames};

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
fn compressed_segments_count_with_their_compressed_size() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_size(100_000).keep_bytes(100_000).gzip(true), &system);
    for _ in 0..20 {
        write_all(&mut sink, format!("{}\n", "x".repeat(99_999)).as_bytes());
    }
    until("all are compressed", || gz(&folder) == 19);
    drop(sink);
    assert_eq!(folder.segments().len(), 20, "compressed to a hundredth");
    // Random digits compress less.
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

/// A folder has the name of the temporary file, so the compression fails, even for root.
#[test]
fn a_segment_that_cannot_be_compressed_does_not_disable_the_limits() {
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
    let names = FileNames::new(folder.path()).expect("a name");
    let keeper = Keeper { names, keep_files: 2, keep_bytes: None, gzip: true };
    until("the other segments can be compressed", || keeper.run(&AtomicBool::new(false)).is_ok());
    put(&folder, 2, "", "1\n");
    let newer = put(&folder, 3, "", "1\n");
    fs::create_dir(folder.0.join(format!("{newer}.gz.tmp"))).expect("a folder");
    let keeper = Keeper { keep_files: 1_000_000, ..keeper };
    keeper.run(&AtomicBool::new(false)).expect_err("the failure causes another run");
    assert!(folder.files().iter().any(|name| name.starts_with(&third)));
}

/// A shutdown does not wait for the compression of a large segment, and a `.gz` file is never
/// incomplete.
#[test]
fn a_drop_aborts_a_compression_and_the_next_start_repeats_it() {
    let (folder, system) = (Folder::new(), Fake::new());
    let digits: String = (0..2_000_000).map(|_| format!("{:015x}\n", random() >> 4)).collect();
    put(&folder, 0, ".gz", gzipped("older\n"));
    let name = put(&folder, 1, "", &digits);
    // The compressed segment fits into the limit. Until it is compressed, nothing may be removed
    // because of it.
    let file = || folder.file().keep_bytes(24_000_000).gzip(true);
    let sink = open(file(), &system);
    until("the compression has begun", || folder.files().contains(&format!("{name}.gz.tmp")));
    let start = Instant::now();
    drop(sink);
    until("the compression was stopped", || !folder.files().contains(&format!("{name}.gz.tmp")));
    let given_up = start.elapsed();
    let all = format!("older\n{digits}");
    assert!(folder.all() == all, "complete, compressed or not");
    let start = Instant::now();
    let sink = open(file(), &system);
    until("it is compressed", || gz(&folder) == 2);
    assert!(given_up < start.elapsed() / 2, "it stops after one of hundreds of blocks: {given_up:?}");
    assert!(folder.all() == all);
    drop(sink);
}
