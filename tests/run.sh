#!/usr/bin/env bash
# Runs the tests.
#
#   tests/run.sh          all of them; installs what they need
#   tests/run.sh quick    format, lints, unit tests, and the cases on axum and actix-web over HTTP/1
#   --no-install          stops where something would have to be installed
set -euo pipefail
cd "$(dirname "$0")/.."

lane=all install=yes
for argument in "$@"; do
    case "$argument" in
    quick) lane=quick ;;
    --no-install) install=no ;;
    *)
        echo "usage: tests/run.sh [quick] [--no-install]" >&2
        exit 2
        ;;
    esac
done

say() { printf '\n== %s\n' "$*"; }

# Announces an installation, or stops with --no-install.
announce() {
    if [ "$install" = no ]; then
        echo "missing: $* (without --no-install, this command installs it)" >&2
        exit 1
    fi
    echo "installing: $*"
}

install_packages() (
    root=(); [ "$(id -u)" -eq 0 ] || root=(sudo)
    # The tests start servers of their own. Without this policy, the packages would start others.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap '"${root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
        "${root[@]}" chmod 755 "$policy"
    fi
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
)

missing=()

# The tools that both lanes need.
tools() {
    say "tools"
    command -v cc >/dev/null || missing+=(build-essential)
    if [ ${#missing[@]} -gt 0 ]; then
        announce "${missing[*]} (apt)"
        install_packages "${missing[@]}"
    fi
    local component
    for component in fmt clippy; do
        if ! cargo "$component" --version >/dev/null 2>&1; then
            announce "cargo $component (rustup)"
            rustup component add "${component/#fmt/rustfmt}"
        fi
    done
}

# The tools that only the whole command needs.
all_tools() {
    command -v valgrind >/dev/null || missing+=(valgrind)
    command -v jq >/dev/null || missing+=(jq)
    # Debian keeps the server's programs outside the path.
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
    command -v prometheus >/dev/null && command -v promtool >/dev/null || missing+=(prometheus)
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3 python3-venv)
    tools
    # The parsers of other projects, which read our pages.
    if ! cmp -s tests/judges/requirements.txt target/judges/installed; then
        announce "$(grep -v '^#' tests/judges/requirements.txt | tr '\n' ' ')(pip, in target/judges)"
        python3 -m venv target/judges
        target/judges/bin/python -m pip install -q --disable-pip-version-check -r tests/judges/requirements.txt
        cp tests/judges/requirements.txt target/judges/installed
    fi
}

# The observers of tests and documents write no events into the log.
run_tests() {
    OBS_EVENTS=off cargo test "$@"
}

format() {
    say "format"
    cargo fmt --all -- --check
}

lints() {
    say "lints"
    cargo clippy --workspace --all-targets --all-features -- -D warnings
}

quick() {
    tools
    format
    lints
    say "unit tests"
    run_tests --workspace --all-features --lib
    say "the cases on axum and actix-web over HTTP/1"
    run_tests --workspace --all-features --test behaviour -- axum_h1 actix_h1
}

licences() {
    say "licences and sources of all dependencies"
    if cargo deny --version >/dev/null 2>&1; then
        cargo deny check bans licenses sources
    else
        echo "skipped: cargo-deny is not installed. The workflow checks them."
    fi
}

features() {
    say "feature combinations"
    # No feature, each feature alone, and all default features but one.
    cargo clippy -p "$core" --no-default-features -- -D warnings
    for feature in files gzip hash logs metrics patterns prometheus http tokio testing otlp otel; do
        cargo clippy -p "$core" --no-default-features --features "$feature" -- -D warnings
    done
    # The feature `testing` switches on `metrics`.
    for features in gzip,hash,patterns,prometheus,testing files,hash,patterns,prometheus,testing \
        files,gzip,patterns,prometheus,testing files,gzip,hash,prometheus,testing files,gzip,hash,patterns,testing \
        files,gzip,hash,patterns; do
        cargo clippy -p "$core" --no-default-features --features "$features,http,tokio" --all-targets -- -D warnings
    done
    cargo clippy -p obs-axum --no-default-features -- -D warnings
    for features in axum http2 logs metrics tonic otel files,gzip,hash,patterns axum,files,gzip,hash,metrics,patterns,prometheus; do
        cargo clippy -p obs-axum --no-default-features --features "$features" -- -D warnings
    done
    cargo clippy -p obs-axum -- -D warnings
    cargo clippy -p obs-actix --no-default-features -- -D warnings
    cargo clippy -p obs-actix -- -D warnings
    cargo clippy -p obs-actix --no-default-features --features files,gzip,hash,patterns -- -D warnings
    cargo clippy -p obs-actix --features otel,logs -- -D warnings
    cargo clippy -p obs-tracing -- -D warnings
    cargo clippy -p obs-client -- -D warnings
    for features in reqwest reqwest-0-12 reqwest-json reqwest,reqwest-json reqwest-middleware tower tonic awc sqlx sqlx-any sqlx-postgres sqlx-sqlite diesel bb8 deadpool; do
        cargo clippy -p obs-client --features "$features" -- -D warnings
    done

    say "tests of the core without the default features"
    run_tests -p "$core" --no-default-features --features http,testing,tokio --lib
    say "tests of the core without metrics"
    run_tests -p "$core" --no-default-features --features http,tokio --lib

    say "without the feature otel, no crate of OpenTelemetry and no TLS"
    for crate in "$core" obs-axum obs-actix; do
        brings_none "$crate" '(opentelemetry|prost|rustls|ring|ureq)[a-z_-]*'
    done
    say "with the feature otlp, no crate of OpenTelemetry"
    brings_none "$core" '(opentelemetry|prost)[a-z_-]*' --no-default-features --features otlp
    say "without features, none of their crates"
    for crate in "$core" obs-axum obs-actix; do
        theirs='flate2|hmac|prometheus|regex-lite|sha2'
        # The router of actix-web has regular expressions itself.
        [ "$crate" != obs-actix ] || theirs='flate2|hmac|prometheus|sha2'
        brings_none "$crate" "($theirs)" --no-default-features
    done
}

packages() {
    say "packages"
    # Only these are published. They are built in the folder and with the profile of the tests, so
    # that no dependency is built twice.
    # cargo keeps the core that an earlier run unpacked, and would build the adapters against it.
    rm -rf "${CARGO_HOME:-$HOME/.cargo}/registry/src/"-*/{"$core",obs-client,obs-tracing}-[0-9]*
    CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}" CARGO_PROFILE_DEV_DEBUG=line-tables-only \
        cargo package -p "$core" -p obs-tracing -p obs-client -p obs-axum -p obs-actix --allow-dirty --quiet
    local crate file
    for crate in "$core" obs-tracing obs-client obs-axum obs-actix; do
        for file in README.md LICENSE-APACHE LICENSE-MIT; do
            if ! cargo package -p "$crate" --list --allow-dirty | grep -qx "$file"; then
                echo "the package of $crate has no $file" >&2
                exit 1
            fi
        done
    done
}

# Fails if a crate, with these options, depends on a crate whose name matches.
brings_none() {
    local crate="$1" names="$2"
    shift 2
    if cargo tree --quiet --edges normal,build --package "$crate" "$@" | grep -E " $names v"; then
        echo "$crate depends on them" >&2
        exit 1
    fi
}

costs() {
    say "the benchmark program"
    cargo fmt --manifest-path bench/Cargo.toml -- --check
    cargo clippy --release --manifest-path bench/Cargo.toml --all-targets -- -D warnings

    say "cost of a request and of a frame: limits of instructions and allocations, and no growth of memory"
    cargo run --release --manifest-path bench/Cargo.toml -- gate
    cargo run --release --manifest-path bench/Cargo.toml -- scale frames traced
    cargo run --release --manifest-path bench/Cargo.toml -- memory

    say "the size that observation adds to a program"
    cargo run --release --manifest-path bench/Cargo.toml -- size
}

all() {
    # Each crate is built once, so data for the next build would only take space.
    export CARGO_INCREMENTAL=0
    all_tools
    licences
    format
    lints
    features
    packages

    say "documents"
    RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" cargo doc --workspace --all-features --no-deps

    say "programs of the examples"
    cargo build --workspace --all-features --all-targets

    say "tests"
    run_tests --workspace --all-features --all-targets

    say "examples in the documents"
    RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings" run_tests --workspace --all-features --doc

    costs
}

core=obs-web-core
began=$SECONDS
"$lane"
say "all passed in $((SECONDS - began)) s"
