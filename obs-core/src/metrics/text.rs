//! Prometheus' text format, version 0.0.4.

use std::io::Write as _;

use super::sharded::Snapshot;

/// The media type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Label<'a> = (&'a str, &'a str);

/// Writes families one after the other; a family without samples leaves no trace.
pub(super) struct Text {
    out: Vec<u8>,
    /// The head of a family whose first sample has not come yet.
    head: Vec<u8>,
}

impl Text {
    pub(super) const fn new() -> Self {
        Self { out: Vec::new(), head: Vec::new() }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.head.clear();
        // Writing to a vector cannot fail, here and below.
        let _ = writeln!(self.head, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &[Label<'_>], value: u64) {
        self.start(name, "", labels, None);
        let _ = writeln!(self.out, " {value}");
    }

    pub(super) fn histogram(
        &mut self,
        name: &str,
        labels: &[Label<'_>],
        bounds_nanos: &[u64],
        snapshot: &Snapshot,
    ) {
        let bounds = bounds_nanos.iter().map(|nanos| seconds(*nanos).to_string());
        let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
        for (bound, count) in bounds.zip(&snapshot.buckets) {
            self.start(name, "_bucket", labels, Some(("le", &bound)));
            let _ = writeln!(self.out, " {count}");
        }
        self.start(name, "_sum", labels, None);
        let _ = writeln!(self.out, " {}", seconds(snapshot.sum_nanos));
        self.start(name, "_count", labels, None);
        let _ = writeln!(self.out, " {}", snapshot.count());
    }

    /// A sample's name and labels.
    fn start(&mut self, name: &str, suffix: &str, labels: &[Label<'_>], last: Option<Label<'_>>) {
        self.out.append(&mut self.head);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(suffix.as_bytes());
        let mut separator = b'{';
        for (name, value) in labels.iter().copied().chain(last) {
            self.out.push(separator);
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"=\"");
            for byte in value.bytes() {
                match byte {
                    b'\\' => self.out.extend_from_slice(br"\\"),
                    b'"' => self.out.extend_from_slice(br#"\""#),
                    b'\n' => self.out.extend_from_slice(br"\n"),
                    _ => self.out.push(byte),
                }
            }
            self.out.push(b'"');
            separator = b',';
        }
        if separator == b',' {
            self.out.push(b'}');
        }
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn families_samples_and_escapes() {
        let mut text = Text::new();
        text.family("empty", "counter", "Never shown.");
        text.family("hits_total", "counter", "Hits.");
        text.sample("hits_total", &[("path", "a\\b\"c\nd")], 3);
        text.sample("hits_total", &[], 4);
        text.family("t_seconds", "histogram", "Times.");
        let snapshot = Snapshot { buckets: vec![1, 2], sum_nanos: 1_500_000_000 };
        text.histogram("t_seconds", &[("m", "GET")], &[5_000_000], &snapshot);
        let expected = r#"# HELP hits_total Hits.
# TYPE hits_total counter
hits_total{path="a\\b\"c\nd"} 3
hits_total 4
# HELP t_seconds Times.
# TYPE t_seconds histogram
t_seconds_bucket{m="GET",le="0.005"} 1
t_seconds_bucket{m="GET",le="+Inf"} 2
t_seconds_sum{m="GET"} 1.5
t_seconds_count{m="GET"} 2
"#;
        assert_eq!(String::from_utf8(text.finish()).expect("UTF-8"), expected);
    }
}
