//! The programs of the workspace, and the build of programs outside it, as a user would build them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// The command that builds the programs of the workspace for the tests.
const BUILD: &str = "cargo build --workspace --all-features --all-targets";

/// The root folder of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a parent").to_owned()
}

/// The folder that cargo builds into. This test is in `debug/deps` there.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(3).expect("a target folder").to_owned()
}

/// The program of an example of the workspace. Tests do not build it; `BUILD` does so
/// once.
///
/// # Panics
/// If it is not built, or if one of its sources has changed since.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let program = target().join("debug").join(name);
    let built = modified(&program).unwrap_or_else(|| panic!("`{name}` is not built: run `{BUILD}`"));
    // cargo lists the sources of a program beside it.
    let sources = fs::read_to_string(program.with_extension("d")).expect("the list of its sources");
    let (_, sources) = sources.split_once(": ").expect("sources");
    for source in sources.split_whitespace() {
        let changed = modified(Path::new(source)).is_none_or(|changed| changed > built);
        assert!(!changed, "`{name}` is older than `{source}`: run `{BUILD}`");
    }
    program
}

/// Compiles a file against the libraries of the workspace, and returns the errors of the compiler.
/// If the workspace is built (`BUILD`), this takes about two seconds.
///
/// # Panics
/// If the workspace cannot be built.
#[must_use]
pub fn compile_errors(file: &Path) -> String {
    let (cargo, arguments) = BUILD.split_once(' ').expect("arguments");
    assert_eq!(cargo, "cargo");
    let mut build = Command::new(env!("CARGO"));
    without_package(&mut build);
    build.args(arguments.split(' ')).arg("--message-format=json").current_dir(root());
    let built = build.env("CARGO_TARGET_DIR", target()).output().expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--out-dir"]);
    rustc.arg(std::env::temp_dir()).arg(file).arg("-L").arg(target().join("debug/deps"));
    for line in built.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let files = message["filenames"].as_array().into_iter().flatten();
        let metadata = files.filter_map(|file| file.as_str()).find(|file| file.ends_with(".rmeta"));
        if let (true, Some(path)) = (["axum", "obs_axum"].contains(&name), metadata) {
            rustc.arg("--extern").arg(format!("{name}={path}"));
        }
    }
    let compiled = rustc.output().expect("rustc runs");
    assert!(!compiled.status.success(), "it compiles");
    String::from_utf8(compiled.stderr).expect("UTF-8")
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

/// Builds the crate in `folder` with these features and the workspace's `Cargo.lock`, and returns
/// the path of its program. The next build of the same name replaces the program.
#[must_use]
pub fn build(folder: &Path, name: &str, features: &str) -> PathBuf {
    // Tests of other processes may build the same crate. Only one of them may put the lock file
    // there and remove it.
    let turn = File::create(target().join("builds-of-tests")).expect("a file");
    turn.lock().expect("the turn of this test");
    let lock = folder.join("Cargo.lock");
    fs::copy(root().join("Cargo.lock"), &lock).expect("the lock file");
    let mut command = Command::new(env!("CARGO"));
    without_package(&mut command);
    let output = command
        .args(["build", "--quiet", "--features", features])
        .current_dir(folder)
        // The folder and the profile of the workspace, so that no dependency is built twice.
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .output()
        .expect("cargo runs");
    fs::remove_file(lock).expect("removed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} builds outside the repository: {errors}");
    assert!(!errors.contains(&format!("`{name}` (bin")), "it builds without a warning: {errors}");
    target().join("debug").join(name)
}

/// Removes the variables that cargo sets for the package of the test. With them, `ring` and all
/// crates that depend on it would be built again.
fn without_package(command: &mut Command) {
    for (variable, _) in std::env::vars_os() {
        let of_package = variable
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if of_package {
            command.env_remove(variable);
        }
    }
}
