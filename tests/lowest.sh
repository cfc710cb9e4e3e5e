#!/usr/bin/env bash
# Checks the published crates with the lowest versions of their dependencies that the manifests
# allow. Services with an older lock file can then adopt them.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -rL obs-core obs-tracing obs-client obs-axum obs-actix README.md "$folder"
# The other members are not published, and may need newer versions.
sed 's/^members = .*/members = ["obs-core", "obs-tracing", "obs-client", "obs-axum", "obs-actix"]/; s/^exclude = .*//; /^\[profile/,$d' \
    Cargo.toml >"$folder/Cargo.toml"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target/lowest}"
cd "$folder"
# Without this variable, the stable cargo has no `-Z`.
RUSTC_BOOTSTRAP=1 cargo -Z direct-minimal-versions generate-lockfile
# Older releases of actix-http and actix-server fail to build with a newer actix-rt, whose features
# have changed. A lock file of their time has this one, and a version of actix-tls that allows it.
cargo update --quiet --package actix-tls --precise 3.4.0
cargo update --quiet --package actix-rt --precise 2.11.0
cargo check --workspace --all-features --locked
