//! Files that tests compare with tables in the code. The crate `obs-tests` includes this file, too.

use std::{env, fs, path::Path};

/// Checks that the file is the result of `make`, which gets its present text. `path` is relative to
/// the workspace. With `UPDATE_DOCS=1` in the environment, writes the result to the file instead.
#[allow(clippy::disallowed_methods)] // A variable of the test, and not of an observer.
pub(crate) fn check_file(path: &str, make: impl Fn(&str) -> String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let found = fs::read_to_string(&file).expect("the file is there");
    let expected = make(&found);
    if env::var_os("UPDATE_DOCS").is_some() {
        return fs::write(&file, expected).expect("the file can be written");
    }
    let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "{path} differs from the code: run this test with UPDATE_DOCS=1\n{differs:#?}"
    );
}

/// Replaces the part of a document between two marks.
pub(crate) fn with_part(document: &str, begin: &str, end: &str, part: &str) -> String {
    let (before, rest) = document.split_once(begin).expect("the mark before the generated part");
    let (_, after) = rest.split_once(end).expect("the mark after the generated part");
    format!("{before}{begin}{part}{end}{after}")
}
