//! Tests of rotation: the time of closing, and the names of segments.

use super::*;
use crate::base::environment::Environment;

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn the_file_is_closed_before_a_line_that_does_not_fit() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_size(10), &system);
    write_all(&mut sink, b"1234\n6789\n1\n");
    write_all(&mut sink, b"a line that is longer than a segment\n2\n");
    let segments = folder.segments();
    let texts: Vec<_> = segments.iter().map(|segment| String::from_utf8_lossy(segment)).collect();
    assert_eq!(texts, ["1234\n6789\n", "1\n", "a line that is longer than a segment\n", "2\n"]);
}

#[test]
fn segments_are_named_by_time_and_sort_even_if_the_clock_goes_back() {
    let (folder, system) = (Folder::new(), Fake::new());
    system.faults().now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_171_708_042);
    let mut sink = open(folder.file().rotate_size(2), &system);
    write_all(&mut sink, b"1\n2\n3\n");
    system.faults().now -= HOUR;
    write_all(&mut sink, b"4\n");
    system.pass(2 * HOUR);
    write_all(&mut sink, b"5\n");
    let names = [
        "events.20261120T104828.042Z.jsonl",
        "events.20261120T104828.042Z_000001.jsonl",
        "events.20261120T104828.042Z_000002.jsonl",
        "events.20261120T114828.042Z.jsonl",
        "events.jsonl",
    ];
    assert_eq!(folder.files(), names);
    assert_eq!(folder.all(), "1\n2\n3\n4\n5\n");
}

/// A rename would replace the existing folder or file.
#[test]
fn a_folder_with_the_name_of_a_segment_is_kept() {
    let (folder, system) = (Folder::new(), Fake::new());
    system.faults().now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_171_708_042);
    let there = folder.0.join("events.20261120T104828.042Z.jsonl");
    fs::create_dir(&there).expect("a folder");
    write_all(&mut open(folder.file().rotate_size(2), &system), b"1\n2\n");
    assert!(there.is_dir());
    assert_eq!(
        fs::read(there.with_file_name("events.20261120T104828.042Z_000001.jsonl")).expect("it"),
        b"1\n"
    );
}

#[test]
fn the_file_is_closed_by_age_without_traffic_unless_it_is_empty() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_age(HOUR), &system);
    system.pass(5 * HOUR);
    sink.tick();
    assert_eq!(folder.files(), ["events.jsonl"], "an empty file stays");
    write_all(&mut sink, b"1\n");
    system.pass(HOUR - Duration::from_millis(1));
    sink.tick();
    assert_eq!(folder.files().len(), 1, "its age counts from its first line");
    system.pass(Duration::from_millis(1));
    sink.tick();
    assert_eq!(folder.files().len(), 2);
    assert_eq!((folder.current().as_str(), folder.all().as_str()), ("", "1\n"));
    write_all(&mut sink, b"2\n");
    system.pass(HOUR);
    write_all(&mut sink, b"3\n");
    assert_eq!((folder.files().len(), folder.current().as_str()), (3, "3\n"), "and with a line");
}

#[test]
fn the_age_continues_over_a_restart() {
    for birth_known in [true, false] {
        let (folder, system) = (Folder::new(), Fake::new());
        system.faults().birth_known = birth_known;
        let file = || folder.file().rotate_age(HOUR);
        write_all(&mut open(file(), &system), b"1\n");
        system.pass(HOUR / 2);
        write_all(&mut open(file(), &system), b"2\n");
        // The file was created by the real clock, some time after the start of the test's clock.
        system.pass(HOUR / 2 + Duration::from_secs(60));
        let current = File::options().append(true).open(folder.path()).expect("the file");
        if birth_known && current.metadata().is_ok_and(|metadata| metadata.created().is_ok()) {
            // The time of modification must not matter if the time of creation is known.
            current.set_modified(system.now()).expect("a time");
        }
        open(file(), &system).tick();
        assert_eq!((folder.files().len(), folder.current().as_str()), (2, ""));
        assert_eq!(folder.all(), "1\n2\n");
    }
}

#[test]
fn a_restart_continues_the_file_and_its_size() {
    let (folder, system) = (Folder::new(), Fake::new());
    for line in [b"1\n", b"2\n", b"3\n"] {
        write_all(&mut open(folder.file().rotate_size(4), &system), line);
    }
    assert_eq!(folder.files().len(), 2);
    assert_eq!((folder.current().as_str(), folder.all().as_str()), ("3\n", "1\n2\n3\n"));
}

#[test]
fn a_rotation_waits_for_the_end_of_a_line() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_size(4).rotate_age(HOUR), &system);
    system.faults().step = 3;
    assert_eq!(sink.write(b"123456\n7\n").expect("written"), 3);
    system.pass(2 * HOUR);
    sink.tick();
    assert_eq!(folder.files().len(), 1);
    write_all(&mut sink, b"456\n7\n");
    let segments = folder.segments();
    assert_eq!(segments, [b"123456\n".to_vec(), b"7\n".to_vec()]);
}

#[test]
#[cfg(unix)]
fn closed_segments_and_flushed_files_are_synchronised() {
    use std::os::unix::fs::MetadataExt as _;
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_size(4), &system);
    let unsynced = || {
        let on_disk = |name: &String| {
            let metadata = fs::metadata(folder.0.join(name)).expect("a file");
            system.faults().synced.get(&metadata.ino()).copied().unwrap_or(0) == metadata.len()
        };
        folder.files().into_iter().filter(|name| !on_disk(name)).collect::<Vec<_>>()
    };
    write_all(&mut sink, b"1\n2\n3\n4\n5\n");
    assert_eq!(unsynced(), ["events.jsonl"]);
    sink.flush().expect("flushed");
    assert!(unsynced().is_empty());
    drop(sink);
    // Many bytes are synchronised before the rotation, which then has little to do.
    let mut sink = open(folder.file(), &system);
    write_all(&mut sink, &[b'\n'; 5 * 1024 * 1024]);
    assert_eq!(unsynced(), ["events.jsonl"]);
    sink.tick();
    assert!(unsynced().is_empty());
}

#[test]
fn invalid_settings_are_rejected_with_a_reason() {
    let folder = Folder::new();
    let missing = folder.0.join("missing/events.jsonl");
    for (file, expected) in [
        (folder.file().rotate_size(0), "`rotate_size` is \"0\", but should be at least one byte".to_owned()),
        (
            folder.file().rotate_age(Duration::ZERO),
            "`rotate_age` is \"0ns\", but should be longer than zero".to_owned(),
        ),
        (folder.file().keep_files(0), "`keep_files` is \"0\", but should be at least 1".to_owned()),
        (
            folder.file().rotate_size(10).keep_bytes(9),
            "`keep_bytes` is \"9\", but should be at least `rotate_size`".to_owned(),
        ),
        (
            EventFile::new(&folder.0),
            format!("`EventFile::new` is {:?}, but should be the path of a file", folder.0),
        ),
        (EventFile::new(""), "`EventFile::new` is \"\", but should be the path of a file".to_owned()),
        (
            EventFile::new(&missing),
            format!(
                "`EventFile::new` is {missing:?}, but should be the path of a file in a folder that exists"
            ),
        ),
    ] {
        assert_eq!(file.check(&Environment::none()).expect_err("refused").to_string(), expected);
    }
    EventFile::new(folder.path()).check(&Environment::none()).expect("the defaults");
    EventFile::new("events.jsonl").check(&Environment::none()).expect("in the working directory");
    let error = EventFile::new(&missing).open().err().expect("no folder").to_string();
    assert!(error.starts_with(&format!("cannot open event file {}: ", missing.display())), "{error}");
}

/// The umask of tests usually removes write access of the group, so the permissions here have none.
#[cfg(unix)]
#[test]
fn new_files_have_the_permissions_of_the_setting() {
    use std::os::unix::fs::PermissionsExt as _;
    let modes = |folder: &Folder| {
        let entries = fs::read_dir(&folder.0).expect("a folder");
        let mode =
            |entry: io::Result<fs::DirEntry>| entry?.metadata().map(|data| data.permissions().mode() & 0o777);
        entries.map(mode).collect::<io::Result<Vec<_>>>().expect("modes")
    };
    for (settings, expected) in [(None, 0o600), (Some(0o640), 0o640), (Some(0o400 | 0o200), 0o600)] {
        let folder = Folder::new();
        let file = folder.file().rotate_size(4);
        let file = settings.into_iter().fold(file, EventFile::mode);
        let mut sink = file.open().expect("opened");
        for _ in 0..3 {
            assert_eq!(sink.write(b"line\n").expect("written"), 5);
        }
        let modes = modes(&folder);
        assert!(modes.len() >= 2 && modes.iter().all(|mode| *mode == expected), "{modes:?}");
    }
    let folder = Folder::new();
    fs::write(folder.path(), "").expect("written");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o644)).expect("set");
    drop(folder.file().open().expect("opened"));
    assert_eq!(modes(&folder), [0o644], "an existing file keeps its permissions");
}
