//! Tests of crashes: torn lines and killed processes.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use super::*;

#[test]
fn an_incomplete_last_line_is_removed() {
    let long = "x".repeat(100_000);
    for (before, after) in [
        ("1\n2\n".to_owned(), "1\n2\n"),
        ("1\n2\n3".to_owned(), "1\n2\n"),
        ("torn".to_owned(), ""),
        ("1\n\0\0\0\0".to_owned(), "1\n"),
        (format!("1\n{long}"), "1\n"),
        ("\n".to_owned(), "\n"),
        (String::new(), ""),
    ] {
        let (folder, system) = (Folder::new(), Fake::new());
        fs::write(folder.path(), &before).expect("a file");
        let mut sink = open(folder.file().rotate_size(6), &system);
        assert_eq!(folder.current(), after);
        assert_eq!(system.faults().warnings.len(), usize::from(before != after), "a warning reports it");
        write_all(&mut sink, b"next\n");
        assert_eq!(folder.all(), format!("{after}next\n"));
    }
}

#[test]
fn a_file_that_is_not_ours_is_not_cut() {
    let folder = Folder::new();
    let other = vec![0_u8; 1024 * 1024 + 1];
    fs::write(folder.path(), &other).expect("a file");
    let error = folder.file().open_on(Fake::new()).err().expect("refused").to_string();
    assert!(error.contains("the existing file does not consist of lines"), "{error}");
    assert!(fs::read(folder.path()).expect("the file") == other);
}

/// The segments are in the folder of the file to which the link points, and the link stays.
#[test]
#[cfg(unix)]
fn a_link_is_followed() {
    let (folder, elsewhere, system) = (Folder::new(), Folder::new(), Fake::new());
    fs::write(elsewhere.path(), "1\n").expect("a file");
    std::os::unix::fs::symlink(elsewhere.path(), folder.path()).expect("a link");
    write_all(&mut open(folder.file().rotate_size(2), &system), b"2\n");
    assert_eq!(elsewhere.all(), "1\n2\n");
    assert_eq!(folder.current(), "2\n");
}

/// Processes are killed at random moments. Each process continues where the previous one stopped.
#[test]
fn written_events_survive_kill_9() {
    // The child process runs this same test program.
    if let Some(path) = std::env::var_os("OBS_FILE") {
        return child_that_is_killed(&path);
    }
    let folder = Folder::new();
    let mut lines = 0;
    let mut rounds = 0;
    let compressed = || folder.files().iter().any(|name| name.ends_with(".gz"));
    // On a slow disk, more rounds may pass until a segment is compressed between two kills.
    while rounds < 12 || (rounds < 200 && !compressed()) {
        let mut child = start(&folder, lines);
        let acknowledged = kill_after(&mut child, 20 + rounds * 17 % 60);
        let written = written(&folder);
        assert!(written >= acknowledged, "{written} lines are there, {acknowledged} were acknowledged");
        lines = written;
        rounds += 1;
    }
    assert!(compressed(), "some were compressed");
    let sink = open(folder.file().gzip(true), &Fake::new());
    until("the others are compressed", || {
        folder.files().iter().all(|name| name.ends_with(".gz") || name == "events.jsonl")
    });
    drop(sink);
    assert_eq!(written(&folder), lines);
    assert!(folder.all().ends_with('\n'), "the torn line is removed");
}

/// Checks that all complete lines exist in order, and returns their number. Only the last line may
/// be torn.
fn written(folder: &Folder) -> u64 {
    let mut all = Vec::new();
    let files = folder.files();
    for name in &files {
        // A crash came between two steps of a compression. The next start removes this file.
        let original =
            name.strip_suffix(".gz").is_some_and(|original| files.iter().any(|name| name == original));
        if !name.ends_with(".tmp") && !original {
            let segment = read(&folder.0.join(name));
            assert!(name == "events.jsonl" || segment.ends_with(b"\n"), "{name} ends with a line");
            all.extend_from_slice(&segment);
        }
    }
    let text = String::from_utf8(all).expect("UTF-8");
    let mut lines = 0;
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        assert_eq!(line, self::line(lines), "no line is lost, duplicated or torn");
        lines += 1;
    }
    lines
}

fn line(number: u64) -> String {
    let padding = usize::try_from(number % 97).unwrap_or_default();
    format!("{{\"line\":{number},\"padding\":\"{}\"}}\n", "x".repeat(padding))
}

fn start(folder: &Folder, next: u64) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "--nocapture",
            "outputs::destination::file::tests::crash::written_events_survive_kill_9",
        ])
        .env("OBS_FILE", folder.path())
        .env("OBS_FILE_NEXT", next.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

/// Kills the child after this many acknowledgements. Returns the last acknowledged line.
fn kill_after(child: &mut Child, acknowledgements: u64) -> u64 {
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let (mut last, mut count, mut line) = (0, 0, Vec::new());
    while output.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
        let text = String::from_utf8_lossy(&line);
        // Other lines are output of the test harness. A last line without a line feed does not
        // count.
        if let Some(number) = text.strip_prefix("written ").and_then(|rest| rest.strip_suffix('\n')) {
            last = number.parse().expect("a number");
            count += 1;
            if count == acknowledgements {
                child.kill().expect("SIGKILL");
            }
        }
        line.clear();
    }
    child.wait().expect("it has ended");
    assert!(count >= acknowledgements, "it was killed and did not end by itself");
    last
}

/// Writes numbered lines in random pieces. After each piece it prints the number of complete lines.
fn child_that_is_killed(path: &OsStr) {
    let next = std::env::var("OBS_FILE_NEXT").expect("a number").parse::<u64>().expect("a number");
    let system = Fake::new();
    let file = EventFile::new(path).rotate_size(3_000).keep_files(1_000_000).gzip(true);
    let mut sink = open(file, &system);
    println!();
    let mut lines = Vec::new();
    let (mut last, mut whole) = (next, next);
    loop {
        while lines.len() < 2_000 {
            lines.extend_from_slice(line(last).as_bytes());
            last += 1;
        }
        system.faults().step = usize::try_from(random() % 300).unwrap_or_default() + 1;
        let taken = sink.write(&lines).expect("written");
        whole += lines.drain(..taken).filter(|byte| *byte == b'\n').count() as u64;
        println!("written {whole}");
    }
}
