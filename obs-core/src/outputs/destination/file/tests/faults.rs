//! Tests of faults: a full disk, a moved or removed file, a read-only folder, a failed rotation.

use std::ffi::OsStr;

use super::*;
use crate::base::environment::Environment;

#[test]
fn writing_to_a_full_disk_continues_exactly_where_it_stopped() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_size(12), &system);
    system.faults().room = 9;
    let lines = b"first\nsecond\nthird\n";
    let mut taken = sink.write(lines).expect("some of it");
    taken += sink.write(&lines[taken..]).expect("some more");
    assert_eq!(taken, 9, "in the middle of the second line");
    for _ in 0..3 {
        let error = sink.write(&lines[taken..]).expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("events.jsonl"), "{error}");
        sink.tick();
    }
    system.faults().room = usize::MAX;
    write_all(&mut sink, &lines[taken..]);
    assert_eq!(folder.all(), "first\nsecond\nthird\n");
    assert!(folder.segments().iter().all(|segment| segment.ends_with(b"\n")));
}

/// The error of a real device. Renames fail here, so that a mistake cannot rename the machine's
/// device.
#[test]
#[cfg(target_os = "linux")]
fn a_full_device_accepts_nothing_and_returns_the_error() {
    let system = Fake::new();
    system.faults().rename_fails = true;
    let file =
        EventFile::new("/dev/full").rotate_size(1).rotate_age(Duration::from_nanos(1)).keep_files(1_000_000);
    file.check(&Environment::none()).expect("a device is not a folder");
    let mut sink = open(file, &system);
    for _ in 0..3 {
        system.pass(Duration::from_secs(60));
        let error = sink.write(b"line\n").expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
        sink.tick();
    }
    let device = File::open("/dev/full").expect("it can be opened");
    crate::outputs::destination::file::system::Real
        .sync(&device)
        .expect("a device has nothing to synchronise");
    assert_eq!(system.faults().warnings, [""; 0], "a device is never renamed");
}

/// A real kernel limits the size of the file: it writes a part, then returns an error. The limit
/// also applies to root.
#[test]
#[cfg(unix)]
fn a_real_limit_splits_a_line_and_a_restart_removes_the_part() {
    if let Some(path) = std::env::var_os("OBS_FILE") {
        return child_that_fills_its_disk(&path);
    }
    let folder = Folder::new();
    // Without the `trap`, the signal would kill the process.
    let ran = shell(
        "ulimit -f 8; trap '' XFSZ; exec \"$0\" \"$@\"",
        "a_real_limit_splits_a_line_and_a_restart_removes_the_part",
        &folder,
    );
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let torn = fs::read(folder.path()).expect("the file");
    assert!(torn.len().is_multiple_of(512) && !torn.ends_with(b"\n"), "{} bytes", torn.len());
    let whole = &torn[..=torn.iter().rposition(|byte| *byte == b'\n').expect("a line")];
    let mut sink = open(folder.file(), &Fake::new());
    assert_eq!(fs::read(folder.path()).expect("the file"), whole);
    write_all(&mut sink, b"next\n");
    assert_eq!(folder.all().as_bytes(), [whole, b"next\n"].concat());
}

/// A real disk of 64 KiB in its own mount namespace. Some containers forbid that, even to root.
/// There, only the test above uses a real limit, and the other tests inject the faults.
#[test]
#[cfg(target_os = "linux")]
fn writing_to_a_real_full_disk_continues_when_there_is_room() {
    if let Some(path) = std::env::var_os("OBS_FILE") {
        return child_that_fills_its_disk(&path);
    }
    let folder = Folder::new();
    let script = "mkdir \"$OBS_FILE.disk\" && unshare --mount --map-root-user sh -c '
        mount -t tmpfs -o size=64k tmpfs \"$OBS_FILE.disk\" || exit 77
        export OBS_FILE=\"$OBS_FILE.disk/events.jsonl\" OBS_FILE_BALLAST=\"$OBS_FILE.disk/ballast\"
        head -c 40000 /dev/zero >\"$OBS_FILE_BALLAST\"
        exec \"$0\" \"$@\"' \"$0\" \"$@\"";
    let possible = process::Command::new("unshare")
        .args(["--mount", "--map-root-user", "mount", "-t", "tmpfs", "tmpfs", "/tmp"])
        .stderr(process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !possible {
        eprintln!("skipped: no disk can be mounted here, so only the limit of a file's size is tested");
        return;
    }
    let ran = shell(script, "writing_to_a_real_full_disk_continues_when_there_is_room", &folder);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(String::from_utf8_lossy(&ran.stdout).contains("went on"));
}

/// Runs the test of this name again, in a shell that first sets limits.
#[cfg(unix)]
fn shell(script: &str, test: &str, folder: &Folder) -> process::Output {
    process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture"])
        .arg(format!("outputs::destination::file::tests::faults::{test}"))
        .env("OBS_FILE", folder.path())
        .output()
        .expect("a shell")
}

#[cfg(unix)]
fn child_that_fills_its_disk(path: &OsStr) {
    let mut sink = EventFile::new(path).open().expect("it can be opened");
    let lines = "nineteen bytes long\n".repeat(1_800);
    let mut taken = 0;
    let error = loop {
        match sink.write(&lines.as_bytes()[taken..]) {
            Ok(bytes) => taken += bytes,
            Err(error) => break error,
        }
    };
    assert!(taken % 20 > 0, "in the middle of a line");
    assert_eq!(fs::metadata(path).expect("the file").len(), taken as u64, "exactly the reported bytes");
    let Some(ballast) = std::env::var_os("OBS_FILE_BALLAST") else {
        return assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{error}");
    };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
    sink.write(&lines.as_bytes()[taken..]).expect_err("still full");
    fs::remove_file(ballast).expect("room");
    while taken < lines.len() {
        taken += sink.write(&lines.as_bytes()[taken..]).expect("there is room");
    }
    sink.flush().expect("flushed");
    assert!(fs::read(path).expect("the file") == lines.as_bytes());
    println!("went on");
}

#[test]
#[cfg(unix)]
fn a_moved_or_removed_file_is_created_again() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file(), &system);
    write_all(&mut sink, b"1\n");
    let moved = folder.0.join("events.1");
    fs::rename(folder.path(), &moved).expect("moved");
    write_all(&mut sink, b"2\n");
    assert_eq!(fs::read(&moved).expect("the moved file"), b"1\n");
    assert_eq!(folder.current(), "2\n");
    fs::remove_file(folder.path()).expect("removed");
    sink.tick();
    assert_eq!(folder.current(), "", "without traffic, too");
    // Another file in its place is continued.
    fs::remove_file(folder.path()).expect("removed");
    fs::write(folder.path(), "somebody's\ntorn").expect("another");
    write_all(&mut sink, b"3\n");
    assert_eq!(folder.current(), "somebody's\n3\n");
    // A file that was emptied is also continued, and its size is counted from zero.
    let mut sink = open(folder.file().rotate_size(20), &system);
    fs::write(folder.path(), "").expect("emptied");
    write_all(&mut sink, b"4\n5678901\n");
    assert_eq!(folder.current(), "4\n5678901\n");
}

#[test]
#[cfg(unix)]
fn a_line_is_completed_in_the_file_in_which_it_began() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file(), &system);
    system.faults().step = 3;
    assert_eq!(sink.write(b"first\nsecond\n").expect("written"), 3);
    let moved = folder.0.join("events.1");
    fs::rename(folder.path(), &moved).expect("moved");
    sink.tick();
    write_all(&mut sink, b"st\nsecond\n");
    assert_eq!(fs::read(&moved).expect("the moved file"), b"first\n");
    assert_eq!(folder.current(), "second\n");
}

/// Root may write everywhere, so the folder is moved away, and a file takes its place.
#[test]
#[cfg(unix)]
fn writing_continues_when_a_missing_folder_is_back() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file(), &system);
    write_all(&mut sink, b"1\n");
    let away = folder.0.with_extension("away");
    fs::rename(&folder.0, &away).expect("moved");
    for in_its_place in [false, true] {
        if in_its_place {
            fs::write(&folder.0, "").expect("a file");
        }
        let error = sink.write(b"2\n").expect_err("no folder");
        assert!(error.to_string().contains("events.jsonl"), "{error}");
        sink.tick();
    }
    fs::remove_file(&folder.0).expect("removed");
    fs::rename(&away, &folder.0).expect("back");
    write_all(&mut sink, b"2\n");
    assert_eq!(folder.current(), "1\n2\n");
}

/// Uses permissions where they apply. For root they do not, so a folder takes the place of the
/// file.
#[test]
#[cfg(unix)]
fn writing_continues_when_a_read_only_folder_is_writable() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file(), &system);
    let set = |mode| fs::set_permissions(&folder.0, fs::Permissions::from_mode(mode)).expect("permissions");
    fs::remove_file(folder.path()).expect("removed");
    set(0o555);
    let obeyed = File::create(folder.0.join("probe")).is_err();
    if !obeyed {
        fs::create_dir(folder.path()).expect("a folder in its place");
    }
    assert!(sink.write(b"1\n").is_err());
    set(0o755);
    if !obeyed {
        fs::remove_dir(folder.path()).expect("removed");
    }
    write_all(&mut sink, b"1\n");
    assert_eq!(folder.current(), "1\n");
}

#[test]
fn a_failed_rotation_loses_no_line_and_is_retried() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_size(4), &system);
    system.faults().rename_fails = true;
    write_all(&mut sink, b"1\n2\n");
    let many = b"3\n4\n5\n6\n";
    // Only the first call writes line by line.
    write_all(&mut sink, many);
    assert_eq!(sink.write(many).expect("written"), many.len());
    assert_eq!(folder.current(), "1\n2\n3\n4\n5\n6\n3\n4\n5\n6\n");
    system.pass(Duration::from_secs(5));
    write_all(&mut sink, b"6\n");
    assert_eq!(system.faults().warnings.len(), 1, "reported once");
    system.faults().rename_fails = false;
    write_all(&mut sink, b"7\n");
    assert_eq!(folder.files().len(), 1, "not immediately");
    system.pass(Duration::from_secs(5));
    write_all(&mut sink, b"8\n");
    assert_eq!((folder.files().len(), folder.current().as_str()), (2, "8\n"));
    // A clock that goes back does not prolong the pause.
    system.faults().rename_fails = true;
    write_all(&mut sink, b"9\n10\n");
    system.faults().rename_fails = false;
    system.faults().now -= Duration::from_secs(1_000_000);
    write_all(&mut sink, b"11\n");
    assert_eq!((folder.files().len(), folder.current().as_str()), (3, "11\n"));
}

#[test]
fn a_flush_reports_an_earlier_failure_of_the_disk() {
    let (folder, system) = (Folder::new(), Fake::new());
    let mut sink = open(folder.file().rotate_size(5 * 1024 * 1024), &system);
    write_all(&mut sink, &[b'\n'; 5 * 1024 * 1024]);
    system.faults().sync_fails = true;
    sink.tick();
    write_all(&mut sink, b"no rotation\n");
    assert_eq!(folder.files().len(), 1, "it is not closed before it is on the disk");
    system.faults().sync_fails = false;
    let error = sink.flush().expect_err("the earlier failure is reported");
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    sink.flush().expect("reported once");
}
