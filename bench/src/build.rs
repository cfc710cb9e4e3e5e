//! Builds of a package of this workspace with another profile.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Builds a package with this profile and feature, and returns the path of its program. The builds
/// have a target folder of their own, because this program runs inside cargo's usual one.
pub(crate) fn program(package: &str, profile: &str, feature: Option<&str>) -> Result<PathBuf, String> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = bench.join("target/size");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(bench).args(["build", "--quiet", "--package", package, "--profile", profile]);
    // Flags from the environment would change the program.
    cargo.arg("--target-dir").arg(&target).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo.args(feature.map(|feature| format!("--features={feature}")));
    let built = cargo.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !built.success() {
        return Err(format!(
            "`{package}` cannot be built with the profile {profile} and the feature {feature:?}"
        ));
    }
    Ok(target.join(profile).join(package).with_extension(std::env::consts::EXE_EXTENSION))
}
