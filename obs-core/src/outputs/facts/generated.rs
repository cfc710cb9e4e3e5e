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

/// Replaces the part of a document between two marks. In the new part, the path of a page becomes a
/// link to the page, because the document is in the same folder.
pub(crate) fn with_part(document: &str, begin: &str, end: &str, part: &str) -> String {
    let (before, rest) = document.split_once(begin).expect("the mark before the generated part");
    let (_, after) = rest.split_once(end).expect("the mark after the generated part");
    format!("{before}{begin}{}{end}{after}", with_links(part))
}

/// Replaces the path of each page, such as `docs/endings.md`, by a link.
fn with_links(text: &str) -> String {
    let mut pieces = text.split("`docs/");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |linked, piece| {
        let (page, rest) = piece.split_once(".md`").expect("the path of a page");
        linked + &format!("[{page}]({page}.md){rest}")
    })
}
