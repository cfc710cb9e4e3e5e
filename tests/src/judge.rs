//! A judge of metrics pages: an independent parser, Prometheus' Python client.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    pub const ALL: [Self; 2] = [Self::Text, Self::OpenMetrics];

    /// The `Accept` header of a client that wants this format.
    #[must_use]
    pub const fn accept(self) -> &'static str {
        match self {
            Self::Text => "text/plain;version=0.0.4",
            Self::OpenMetrics => "application/openmetrics-text;version=1.0.0",
        }
    }

    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A page that the parser accepted.
#[derive(Debug)]
pub struct Page(pub Vec<Family>);

/// A family of samples. The name of a counter is without `_total`, in both formats.
#[derive(Debug)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub unit: String,
    pub help: String,
    pub samples: Vec<Sample>,
}

#[derive(Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
    pub exemplar: Option<Exemplar>,
}

#[derive(Debug)]
pub struct Exemplar {
    pub labels: BTreeMap<String, String>,
    pub value: f64,
    pub timestamp: f64,
}

/// Parses a page, or panics with the message of the parser.
#[must_use]
pub fn judge(format: Format, page: &[u8]) -> Page {
    parse(format, page, None)
}

/// Parses a page that is compressed with gzip.
#[must_use]
pub fn judge_gzip(format: Format, page: &[u8]) -> Page {
    parse(format, page, Some("gzip"))
}

/// The path of the Python interpreter that has the judges' packages.
#[must_use]
pub fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/judges/bin/python");
    assert!(python.exists(), "{} is missing: run tests/run.sh, which installs it", python.display());
    python
}

fn parse(format: Format, page: &[u8], encoding: Option<&str>) -> Page {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut judge = Command::new(python())
        .arg(tests.join("judges/exposition.py"))
        .arg(if format == Format::Text { "text" } else { "openmetrics" })
        .args(encoding)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python runs");
    // The judge reads to the end before it writes.
    let sent = judge.stdin.take().expect("piped").write_all(page);
    let output = judge.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{format:?}: {said}\n{}", String::from_utf8_lossy(page));
    sent.expect("it has read the page");
    let families: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    Page(families.as_array().expect("families").iter().map(family).collect())
}

fn family(family: &Value) -> Family {
    Family {
        name: text(&family["name"]),
        kind: text(&family["type"]),
        unit: text(&family["unit"]),
        help: text(&family["help"]),
        samples: family["samples"].as_array().expect("samples").iter().map(sample).collect(),
    }
}

fn sample(sample: &Value) -> Sample {
    let exemplar = &sample["exemplar"];
    Sample {
        name: text(&sample["name"]),
        labels: labels(&sample["labels"]),
        value: number(&sample["value"]),
        exemplar: exemplar.is_object().then(|| Exemplar {
            labels: labels(&exemplar["labels"]),
            value: number(&exemplar["value"]),
            timestamp: number(&exemplar["timestamp"]),
        }),
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn number(value: &Value) -> f64 {
    value.as_str().expect("text").parse().expect("a number")
}

fn labels(value: &Value) -> BTreeMap<String, String> {
    value.as_object().expect("labels").iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// Returns `true` if two values of a label are equal. The formats write bounds and quantiles in
/// different ways.
fn same(label: &str, a: &str, b: &str) -> bool {
    match (label, a.parse::<f64>(), b.parse::<f64>()) {
        ("le" | "quantile", Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

impl Page {
    /// The family with this name.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&Family> {
        self.0.iter().find(|family| family.name == name)
    }

    /// All samples with this name.
    pub fn samples<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.0.iter().flat_map(|family| &family.samples).filter(move |sample| sample.name == name)
    }

    /// The value of the one sample with exactly these labels.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has = |sample: &Sample| {
            let is =
                |(name, value): &(&str, &str)| sample.labels.get(*name).is_some_and(|v| same(name, v, value));
            sample.labels.len() == labels.len() && labels.iter().all(is)
        };
        let mut found = self.samples(name).filter(|sample| has(sample));
        let value = found.next()?.value;
        assert!(found.next().is_none(), "{name} {labels:?} is there once");
        Some(value)
    }

    /// Checks two rules that the parser ignores: no series is repeated, and each exemplar lies
    /// within its bucket.
    pub fn check(&self) {
        let mut seen = std::collections::BTreeSet::new();
        for sample in self.0.iter().flat_map(|family| &family.samples) {
            assert!(seen.insert((&sample.name, &sample.labels)), "twice: {sample:?}");
        }
        for family in self.0.iter().filter(|family| family.kind == "histogram") {
            let mut below = f64::NEG_INFINITY;
            for sample in family.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
                let bound: f64 = sample.labels["le"].parse().expect("a bound");
                if let Some(exemplar) = &sample.exemplar {
                    let fits = below < exemplar.value && exemplar.value <= bound;
                    assert!(fits, "{below} < {} <= {bound} in {sample:?}", exemplar.value);
                }
                below = if bound == f64::INFINITY { f64::NEG_INFINITY } else { bound };
            }
        }
    }
}
