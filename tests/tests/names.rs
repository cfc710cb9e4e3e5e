//! The names of the public API: each is defined once, and both adapters have all that applications need of the core.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The extractors: the same for each framework, so that moving to another one changes only the crate.
const OF_BOTH_ADAPTERS: [&str; 3] = ["CurrentId", "CurrentTrace", "CurrentWork"];

/// Checks at compile time that both adapters re-export the same items of the core, each kind of them.
#[allow(dead_code)]
mod the_same_items {
    fn types(
        observer: obs_axum::Observer,
        value: obs_axum::output::Record,
        head: obs_axum::adapter::Observation,
        trace: obs_axum::trace::TraceContext,
        spans: obs_axum::otel::Otel,
    ) -> (
        obs_actix::Observer,
        obs_actix::output::Record,
        obs_actix::adapter::Observation,
        obs_actix::trace::TraceContext,
        obs_actix::otel::Otel,
    ) {
        (observer, value, head, trace, spans)
    }

    const FUNCTIONS: [fn() -> obs_core::Work; 2] = [obs_axum::current, obs_actix::current];
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The public types of a crate, each with the files that define one of that name.
fn types(name: &str) -> BTreeMap<String, Vec<PathBuf>> {
    let mut paths = Vec::new();
    files(&source(name), &mut paths);
    let mut types: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("text");
        for line in text.lines().map(str::trim_start) {
            let kinds = ["struct", "enum", "trait", "type", "union"];
            let rest = kinds.iter().find_map(|kind| line.strip_prefix(&format!("pub {kind} ")));
            if let Some(rest) = rest {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                types.entry(rest[..end].to_owned()).or_default().push(path.clone());
            }
        }
    }
    // Macros define types of other names.
    types.remove("");
    // Seals are traits that nobody outside can name.
    types.remove("Sealed");
    types
}

#[test]
fn no_crate_defines_a_public_type_twice() {
    for name in ["obs-core", "obs-axum", "obs-actix"] {
        let types = types(name);
        assert!(types.len() > 5, "{name}: {types:?}");
        for (type_name, paths) in types {
            assert_eq!(paths.len(), 1, "`{type_name}` in {paths:?}");
        }
    }
}

/// An adapter re-exports the core with a glob, which its own items would hide.
#[test]
fn no_adapter_hides_a_type_of_the_core() {
    let core = types("obs-core");
    for name in ["obs-axum", "obs-actix"] {
        let hidden: Vec<_> = types(name).into_keys().filter(|name| core.contains_key(name)).collect();
        assert!(hidden.is_empty(), "{name}: {hidden:?}");
    }
}

#[test]
fn adapters_share_the_names_of_extractors_alone() {
    let (axum, actix) = (types("obs-axum"), types("obs-actix"));
    let both: BTreeSet<_> =
        axum.keys().filter(|name| actix.contains_key(*name)).map(String::as_str).collect();
    assert_eq!(both, BTreeSet::from(OF_BOTH_ADAPTERS));
}

/// There is one list of what applications need of the core: its root.
#[test]
fn adapters_re_export_the_whole_root() {
    for name in ["obs-axum", "obs-actix"] {
        let root = fs::read_to_string(source(name).join("lib.rs")).expect("text");
        let of_core: Vec<_> = root.lines().filter(|line| line.contains("pub use obs_core")).collect();
        assert_eq!(of_core, ["pub use obs_core::*;"], "{name}");
    }
}
