//! Tests of the names of types. Each name is defined once, and both adapters re-export all that
//! applications need of the core.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The extractors. They have the same names for each framework, so moving to another framework
/// changes only the crate.
const OF_BOTH_ADAPTERS: [&str; 3] = ["CurrentId", "CurrentTrace", "CurrentWork"];

/// The private types that both adapters have, each for its framework.
const MIRRORED: [&str; 3] = ["CountedBody", "Rejection", "Stage"];

/// The types that one file defines once for each platform.
const PER_PLATFORM: [&str; 1] = ["Signals"];

/// Checks at compile time that both adapters re-export the same items of the core. It has an item
/// of each kind.
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

/// A type that the code of a crate defines, without its tests.
struct Definition {
    name: String,
    public: bool,
    path: PathBuf,
}

/// The types of a crate, including those inside macros, without associated types.
fn definitions(name: &str) -> Vec<Definition> {
    let mut paths = Vec::new();
    files(&source(name), &mut paths);
    let root = source(name);
    paths.retain(|path| {
        let path = path.strip_prefix(&root).expect("a file of the crate");
        !path.iter().any(|part| part == "tests" || part == "tests.rs")
    });
    let mut definitions = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("text");
        // The tests of a file are its end.
        let code = text.split("\nmod tests {").next().unwrap_or_default();
        definitions.extend(code.lines().filter_map(definition).map(|(name, public)| Definition {
            name: name.to_owned(),
            public,
            path: path.clone(),
        }));
    }
    definitions
}

/// Returns the name of the type that a line defines, and `true` if it is public.
fn definition(line: &str) -> Option<(&str, bool)> {
    let code = line.trim_start();
    let public = code.starts_with("pub ");
    let code = match code.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")) {
        Some((_, code)) => code,
        None => code.strip_prefix("pub ").unwrap_or(code),
    };
    let (kind, rest) = code.split_once(' ')?;
    // An indented `type` is an associated type.
    let defines = match kind {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => !line.starts_with(' '),
        _ => false,
    };
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    // A macro defines its types under other names.
    (defines && end > 0).then(|| (&rest[..end], public))
}

/// The names of the public types of a crate, each with the files that define it.
fn types(name: &str) -> BTreeMap<String, Vec<PathBuf>> {
    let mut types: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for definition in definitions(name).into_iter().filter(|definition| definition.public) {
        types.entry(definition.name).or_default().push(definition.path);
    }
    // `Sealed` traits are private: no other crate can name them.
    types.remove("Sealed");
    types
}

/// A reader who searches for a type finds one definition.
#[test]
fn no_two_types_have_one_name() {
    let mut types: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for name in ["obs-core", "obs-tracing", "obs-client", "obs-axum", "obs-actix"] {
        for definition in definitions(name) {
            types.entry(definition.name).or_default().push(definition.path);
        }
    }
    assert!(types.len() > 200, "{}", types.len());
    let folder = |path: &PathBuf, name| path.starts_with(source(name));
    let twice: BTreeMap<_, _> = types
        .into_iter()
        .filter(|(_, paths)| paths.len() > 1)
        .filter(|(name, paths)| {
            let mirrored = paths.len() == 2
                && paths.iter().any(|path| folder(path, "obs-axum"))
                && paths.iter().any(|path| folder(path, "obs-actix"));
            let allowed = (mirrored
                && (OF_BOTH_ADAPTERS.contains(&name.as_str()) || MIRRORED.contains(&name.as_str())))
                || (PER_PLATFORM.contains(&name.as_str()) && paths.iter().all(|path| *path == paths[0]));
            !allowed
        })
        .collect();
    assert!(twice.is_empty(), "{twice:#?}");
}

#[test]
fn no_crate_defines_a_public_type_twice() {
    for name in ["obs-core", "obs-tracing", "obs-client", "obs-axum", "obs-actix"] {
        let types = types(name);
        assert!(types.len() > 3, "{name}: {types:?}");
        for (type_name, paths) in types {
            assert_eq!(paths.len(), 1, "`{type_name}` in {paths:?}");
        }
    }
}

/// An adapter re-exports the core with a glob. An item of its own with the same name would hide the
/// core's.
#[test]
fn no_adapter_hides_a_type_of_the_core() {
    let core = types("obs-core");
    for name in ["obs-axum", "obs-actix"] {
        let hidden: Vec<_> = types(name).into_keys().filter(|name| core.contains_key(name)).collect();
        assert!(hidden.is_empty(), "{name}: {hidden:?}");
    }
}

#[test]
fn adapters_share_only_the_names_of_extractors() {
    let (axum, actix) = (types("obs-axum"), types("obs-actix"));
    let both: BTreeSet<_> =
        axum.keys().filter(|name| actix.contains_key(*name)).map(String::as_str).collect();
    assert_eq!(both, BTreeSet::from(OF_BOTH_ADAPTERS));
}

/// The root of the core is the one list of names that applications need.
#[test]
fn adapters_re_export_the_whole_root() {
    for name in ["obs-axum", "obs-actix"] {
        let root = fs::read_to_string(source(name).join("lib.rs")).expect("text");
        let of_core: Vec<_> = root.lines().filter(|line| line.contains("pub use obs_core")).collect();
        assert_eq!(of_core, ["pub use obs_core::*;"], "{name}");
    }
}
