//! Writes families line by line.

use std::{collections::HashSet, io::Write as _};

use super::{Format, number, openmetrics::family_name};
use crate::metrics::{
    exemplar::Exemplar,
    family::{Family, Kind, Sample, Value},
};

pub(super) struct Writer {
    out: Vec<u8>,
    openmetrics: bool,
    created: bool,
}

/// What of a family's samples is written: all of it, or one of its names where each name is a family.
type Part = Option<&'static str>;

impl Writer {
    pub(super) fn new(format: Format, created: bool) -> Self {
        let openmetrics = format != Format::Text;
        Self { out: Vec::new(), openmetrics, created: created && openmetrics }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.openmetrics {
            self.out.extend_from_slice(b"# EOF\n");
        }
        self.out
    }

    /// Writes a family as `kind`.
    pub(super) fn family(&mut self, family: &Family, kind: Kind, left_out: &dyn Fn(&str)) {
        let parts: &[Part] = match (kind, family.kind) {
            (Kind::Untyped, Kind::Histogram) => &[Some("_bucket"), Some("_sum"), Some("_count")],
            (Kind::Untyped, Kind::Summary) => &[Some(""), Some("_sum"), Some("_count")],
            _ => &[None],
        };
        for part in parts {
            let base = if self.openmetrics { family_name(family, kind) } else { &family.name };
            self.head(&format!("{base}{}", part.unwrap_or_default()), family, kind);
            // Ours differ from each other.
            let mut seen = family.others.then(HashSet::new);
            for sample in &family.samples {
                let Some(labels) = labels(family, sample) else {
                    left_out(
                        "the registry holds a metric with a label that is not valid; /metrics leaves it out",
                    );
                    continue;
                };
                if let Some(seen) = &mut seen {
                    let mut sorted = labels.clone();
                    sorted.sort_unstable();
                    if !seen.insert((sorted, sample.timestamp)) {
                        left_out(
                            "the registry holds two metrics of one name with the same labels; /metrics shows the first",
                        );
                        continue;
                    }
                }
                self.sample(family, kind, *part, sample, &written(&labels));
            }
        }
    }

    fn head(&mut self, name: &str, family: &Family, kind: Kind) {
        if !family.help.is_empty() {
            let _ = write!(self.out, "# HELP {name} ");
            escape(&mut self.out, &family.help, self.openmetrics);
            self.out.push(b'\n');
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
            Kind::Untyped if self.openmetrics => "unknown",
            Kind::Untyped => "untyped",
        };
        let _ = writeln!(self.out, "# TYPE {name} {kind}");
        if self.openmetrics
            && let Some(unit) = family.unit
        {
            let _ = writeln!(self.out, "# UNIT {name} {}", unit.as_str());
        }
    }

    fn sample(&mut self, family: &Family, kind: Kind, part: Part, sample: &Sample, labels: &[u8]) {
        let wants = |suffix: &str| part.is_none_or(|part| part == suffix);
        let name = &*family.name;
        let time = sample.timestamp;
        match &sample.value {
            Value::Count { value, exemplar } => {
                self.line(name, "", labels, None);
                let _ = write!(self.out, "{value}");
                // A request counts for one.
                self.end(time, exemplar.as_ref().map(|exemplar| (exemplar, 1.0)));
            }
            Value::Number(value) => self.number(name, "", labels, *value, time),
            Value::Histogram { buckets, sum, count } => {
                for bucket in buckets.iter().filter(|_| wants("_bucket")) {
                    let bound = number::label(bucket.bound, self.openmetrics);
                    self.line(name, "_bucket", labels, Some(("le", &bound)));
                    let _ = write!(self.out, "{}", bucket.count);
                    self.end(time, bucket.exemplar.as_ref().map(|(exemplar, value)| (exemplar, *value)));
                }
                self.sum_and_count(name, labels, wants, (*sum, *count), time);
            }
            Value::Summary { quantiles, sum, count } => {
                for (quantile, value) in quantiles.iter().filter(|_| wants("")) {
                    let quantile = number::label(*quantile, self.openmetrics);
                    self.line(name, "", labels, Some(("quantile", &quantile)));
                    number::write(&mut self.out, *value);
                    self.end(time, None);
                }
                self.sum_and_count(name, labels, wants, (*sum, *count), time);
            }
        }
        if let Some(created) = sample.created
            && self.created
            && matches!(kind, Kind::Counter | Kind::Histogram | Kind::Summary)
        {
            self.number(family_name(family, kind), "_created", labels, created, time);
        }
    }

    fn sum_and_count(
        &mut self,
        name: &str,
        labels: &[u8],
        wants: impl Fn(&str) -> bool,
        (sum, count): (f64, u64),
        time: Option<i64>,
    ) {
        if wants("_sum") {
            self.number(name, "_sum", labels, sum, time);
        }
        if wants("_count") {
            self.line(name, "_count", labels, None);
            let _ = write!(self.out, "{count}");
            self.end(time, None);
        }
    }

    fn number(&mut self, name: &str, suffix: &str, labels: &[u8], value: f64, time: Option<i64>) {
        self.line(name, suffix, labels, None);
        number::write(&mut self.out, value);
        self.end(time, None);
    }

    /// A sample's name and labels.
    fn line(&mut self, name: &str, suffix: &str, labels: &[u8], last: Option<(&str, &str)>) {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(suffix.as_bytes());
        if !labels.is_empty() || last.is_some() {
            self.out.push(b'{');
            self.out.extend_from_slice(labels);
            if let Some((name, value)) = last {
                let comma = if labels.is_empty() { "" } else { "," };
                let _ = write!(self.out, "{comma}{name}=\"{value}\"");
            }
            self.out.push(b'}');
        }
        self.out.push(b' ');
    }

    /// What comes behind a sample's value. An exemplar under any other format would break the scrape.
    fn end(&mut self, time: Option<i64>, exemplar: Option<(&Exemplar, f64)>) {
        if let Some(millis) = time {
            let _ = if self.openmetrics {
                write!(self.out, " {}", millis as f64 / 1e3)
            } else {
                write!(self.out, " {millis}")
            };
        }
        if let Some((exemplar, value)) = exemplar
            && self.openmetrics
        {
            let mut open = " # {";
            for (name, value) in exemplar.labels() {
                let _ = write!(self.out, "{open}{name}=\"{value}\"");
                open = ",";
            }
            self.out.extend_from_slice(b"} ");
            number::write(&mut self.out, value);
            let at = super::super::own::seconds_since_1970(exemplar.at);
            let _ = write!(self.out, " {at}");
        }
        self.out.push(b'\n');
    }
}

/// A label's name and value.
type Label<'a> = (&'a str, &'a str);

/// The labels of a sample, its own before the common ones, each name once; `None` if a name is not valid.
///
/// A registry puts its common labels behind those of the user's metrics, whatever names they have.
fn labels<'a>(family: &'a Family, sample: &'a Sample) -> Option<Vec<Label<'a>>> {
    let reserved = match family.kind {
        Kind::Histogram => "le",
        Kind::Summary => "quantile",
        Kind::Counter | Kind::Gauge | Kind::Untyped => "",
    };
    let mut out: Vec<Label<'_>> = Vec::with_capacity(sample.labels.len().saturating_add(family.common.len()));
    for (name, value) in sample.labels.iter().chain(family.common.iter()) {
        if !is_label_name(name) {
            return None;
        }
        if name != reserved && !out.iter().any(|(other, _)| other == name) {
            out.push((name, value));
        }
    }
    Some(out)
}

/// What stands between the braces.
fn written(labels: &[Label<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in labels {
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(&mut out, value, true);
        out.push(b'"');
    }
    out
}

fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'"' if quotes => out.extend_from_slice(br#"\""#),
            _ => out.push(byte),
        }
    }
}

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
pub(super) fn is_metric_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    !name.is_empty() && name.bytes().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, but not the name that stands for the metric's.
fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':') && name != "__name__"
}
