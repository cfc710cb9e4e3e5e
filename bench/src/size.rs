//! The bytes that observation adds to a stripped service. Each row is a build of the service with
//! cargo's default release profile.

use std::fs;

use crate::build;

/// A build of the package `hello`.
struct Build {
    name: &'static str,
    feature: Option<&'static str>,
    /// The most bytes that the build may add to the bare one.
    limit: Option<u64>,
}

const BUILDS: [Build; 7] = [
    Build { name: "axum alone", feature: None, limit: None },
    Build { name: "the layer, no features", feature: Some("layer"), limit: Some(695_000) },
    Build { name: "the layer, the feature `metrics`", feature: Some("metrics"), limit: Some(960_000) },
    Build { name: "the layer, the default features", feature: Some("defaults"), limit: Some(1_160_000) },
    Build { name: "layer and server, no other features", feature: Some("serve"), limit: Some(825_000) },
    Build {
        name: "layer and server, the default features",
        feature: Some("everything"),
        limit: Some(1_265_000),
    },
    Build {
        name: "the same, and calls of all methods that add code",
        feature: Some("calls"),
        limit: Some(1_660_000),
    },
];

pub(crate) fn print() -> Result<(), String> {
    println!("| build | bytes | more than bare | limit |");
    println!("|---|--:|--:|--:|");
    let (mut bare, mut large) = (None, Vec::new());
    for Build { name, feature, limit } in BUILDS {
        let bytes = size(feature)?;
        let more = bytes.saturating_sub(*bare.get_or_insert(bytes));
        let text = limit.map_or_else(|| "–".to_owned(), |limit| limit.to_string());
        println!("| {name} | {bytes} | {more} | {text} |");
        if limit.is_some_and(|limit| more > limit) {
            large.push(name);
        }
    }
    if large.is_empty() { Ok(()) } else { Err(format!("larger than the limit: {}", large.join("; "))) }
}

fn size(feature: Option<&str>) -> Result<u64, String> {
    let program = build::program("hello", "stripped", feature)?;
    let metadata = fs::metadata(&program).map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(metadata.len())
}
