//! A check of the documents whose tables are generated from the code.

use std::{env, fs, path::PathBuf};

/// Checks that the part of `document` between `<!-- name: generated -->` and `<!-- name: end -->`
/// is `generated`. With `UPDATE_DOCS=1` in the environment, writes it there instead.
///
/// # Panics
/// If the document has no such part, or if the part is out of date.
pub fn check_generated(document: &str, name: &str, generated: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document);
    let text = fs::read_to_string(&path).expect("the document");
    let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = text.split_once(&begin).expect("the comment before the generated part");
    let (part, after) = rest.split_once(&end).expect("the comment after the generated part");
    if env::var_os("UPDATE_DOCS").is_some() {
        let updated = format!("{before}{begin}{generated}{end}{after}");
        return fs::write(&path, updated).expect("the document can be written");
    }
    let differs = part.lines().zip(generated.lines()).find(|(found, expected)| found != expected);
    assert!(
        part == generated,
        "docs/{document} is not up to date: run `UPDATE_DOCS=1 cargo test -p obs-tests --test reference`\n{differs:#?}"
    );
}
