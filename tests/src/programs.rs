//! The build of programs outside the workspace, as a user would build them.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The root folder of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_owned()
}

/// Builds the crate in `folder` with these features and the workspace's `Cargo.lock`, and returns
/// the path of its program. The next build of the same name replaces the program.
#[must_use]
pub fn build(folder: &Path, name: &str, features: &str) -> PathBuf {
    let lock = folder.join("Cargo.lock");
    std::fs::copy(root().join("Cargo.lock"), &lock).expect("the lock file");
    let target = root().join("target/copied");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--features", features])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target)
        // The flags of the tests are not for a copy.
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo runs");
    std::fs::remove_file(lock).expect("removed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} builds outside the repository: {errors}");
    assert!(!errors.contains(&format!("`{name}` (bin")), "it builds without a warning: {errors}");
    target.join("debug").join(name)
}
