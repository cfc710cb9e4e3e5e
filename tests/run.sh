#!/usr/bin/env bash
# Installs the tools of the tests and runs all checks: format, lints, documents, tests, features,
# models, benchmark program.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

say "tools"
packages=()
command -v valgrind >/dev/null || packages+=(valgrind)
command -v cc >/dev/null || packages+=(build-essential)
command -v jq >/dev/null || packages+=(jq)
# Debian keeps the programs of the PostgreSQL server outside PATH.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || packages+=(postgresql)
command -v prometheus >/dev/null && command -v promtool >/dev/null || packages+=(prometheus)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
install() (
    root=(); [ "$(id -u)" -eq 0 ] || root=(sudo)
    # The tests start their own servers. This keeps the packages from starting servers, too.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap '"${root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
        "${root[@]}" chmod 755 "$policy"
    fi
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
)
[ ${#packages[@]} -eq 0 ] || install "${packages[@]}"
# Independent parsers, which check our pages.
[ -x target/judges/bin/python ] || python3 -m venv target/judges
target/judges/bin/python -m pip install -q --disable-pip-version-check -r tests/judges/requirements.txt
cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

# All steps use the same flags, so nothing is built twice.
export RUSTFLAGS="${RUSTFLAGS:-} -D warnings" RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings"

if ! cargo deny --version >/dev/null 2>&1; then
    cargo install cargo-deny --locked --version 0.20.2
fi
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

say "licences and sources of all dependencies"
cargo deny check bans licenses sources

say "format"
cargo fmt --all -- --check

say "lints"
cargo clippy --workspace --all-targets --all-features -- -D warnings

say "feature combinations"
# No feature, each feature alone, and the default features without each one of them.
cargo clippy -p obs-core --no-default-features
for feature in gzip hash patterns prometheus http tokio testing otlp otel; do
    cargo clippy -p obs-core --no-default-features --features "$feature"
done
for features in hash,patterns,prometheus gzip,patterns,prometheus gzip,hash,prometheus gzip,hash,patterns; do
    cargo clippy -p obs-core --no-default-features --features "$features,http,testing,tokio" --all-targets
done
cargo clippy -p obs-axum --no-default-features
for features in axum http2 tonic otel gzip,hash,patterns,prometheus; do
    cargo clippy -p obs-axum --no-default-features --features "$features"
done
cargo clippy -p obs-axum
cargo clippy -p obs-actix --no-default-features
cargo clippy -p obs-actix
cargo clippy -p obs-actix --features otel

say "tests of the core without the features that are on by default"
cargo test -p obs-core --no-default-features --features http,testing,tokio --lib

say "without the feature otel, no crate of OpenTelemetry and no TLS"
for crate in obs-core obs-axum obs-actix; do
    if cargo tree --quiet --edges normal,build --package "$crate" | grep -E ' (opentelemetry|prost|rustls|ring|ureq)[a-z_-]* v'; then
        echo "$crate builds them" >&2
        exit 1
    fi
done

say "with the feature otlp, no crate of OpenTelemetry"
if cargo tree --quiet --edges normal,build --package obs-core --no-default-features --features otlp \
    | grep -E ' (opentelemetry|prost)[a-z_-]* v'; then
    echo "the wire depends on the SDK" >&2
    exit 1
fi
say "without features, none of their crates"
for crate in obs-core obs-axum obs-actix; do
    theirs='flate2|hmac|prometheus|regex-lite|sha2'
    # The router of actix-web itself uses regular expressions.
    [ "$crate" != obs-actix ] || theirs='flate2|hmac|prometheus|sha2'
    if cargo tree --quiet --edges normal,build --no-default-features --package "$crate" | grep -E " ($theirs) v"; then
        echo "$crate builds them" >&2
        exit 1
    fi
done

say "documents"
cargo doc --workspace --all-features --no-deps

say "tests"
cargo test --workspace --all-features --all-targets

say "examples in the documents, README included"
cargo test --workspace --all-features --doc

say "the benchmark program"
cargo fmt --manifest-path bench/Cargo.toml -- --check
cargo clippy --release --manifest-path bench/Cargo.toml --all-targets -- -D warnings

say "what a request and a frame cost: limits of instructions and allocations, and no growth of memory"
cargo run --release --manifest-path bench/Cargo.toml -- gate
cargo run --release --manifest-path bench/Cargo.toml -- scale frames traced
cargo run --release --manifest-path bench/Cargo.toml -- memory

say "what observation adds to a program"
cargo run --release --manifest-path bench/Cargo.toml -- size

say "all passed"
