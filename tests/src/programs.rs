//! Programs that are no part of the workspace, built as somebody else would build them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of the whole tree.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_owned()
}

/// Builds the crate in `folder`, with the tree's own versions and these features, and returns its program. The next build of
/// the same name takes its place.
#[must_use]
pub fn build(folder: &Path, name: &str, features: &str) -> PathBuf {
    let lock = folder.join("Cargo.lock");
    std::fs::copy(root().join("Cargo.lock"), &lock).expect("the lock file");
    let target = root().join("target/copied");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--features", features])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target)
        // What the tests themselves are built with does not matter to a copy.
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo runs");
    std::fs::remove_file(lock).expect("removed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} builds outside of the tree: {errors}");
    assert!(!errors.contains(&format!("`{name}` (bin")), "it builds without a warning: {errors}");
    target.join("debug").join(name)
}
