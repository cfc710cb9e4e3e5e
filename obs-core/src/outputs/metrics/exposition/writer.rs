//! The writer of families, line by line.

use std::{io::Write as _, sync::Arc};

use bytes::Bytes;

use super::{
    format::Format,
    labels,
    number::{self, whole},
    openmetrics::family_name,
    page::PageSection,
    page_buffer::PageBuffer,
};
use crate::outputs::metrics::{
    exemplar::Exemplar,
    family::{Family, Histogram, Kind, Sample, SampleValue},
};

pub(super) struct Writer {
    out: PageBuffer,
    openmetrics: bool,
    created: bool,
    /// The encoded labels of the current sample, without braces.
    labels: Vec<u8>,
    /// The beginning of each bucket line of the current sample.
    bucket: Vec<u8>,
    bounds: BucketLabels,
}

/// The last written bounds, and the ends of their labels. They are kept because thousands of series
/// have the same bounds.
struct BucketLabels {
    of: Arc<[f64]>,
    ends: Vec<Vec<u8>>,
}

impl Writer {
    pub(super) fn new(format: Format, created: bool, gzip: bool) -> Self {
        let openmetrics = format != Format::Text;
        Self {
            out: PageBuffer::new(gzip),
            openmetrics,
            created: created && openmetrics,
            labels: Vec::new(),
            bucket: Vec::new(),
            bounds: BucketLabels { of: Arc::from([]), ends: Vec::new() },
        }
    }

    /// Returns true if the format allows exemplars. In another format they would break the scrape.
    pub(super) const fn shows_exemplars(&self) -> bool {
        self.openmetrics
    }

    /// Forwards to [`PageBuffer::is_full`], as the next two methods forward to theirs.
    pub(super) const fn is_full(&self) -> bool {
        self.out.is_full()
    }

    pub(super) fn take(&mut self) -> Bytes {
        self.out.take()
    }

    pub(super) fn finish(&mut self) -> Bytes {
        self.out.finish()
    }

    /// Writes the end of the page.
    pub(super) fn end_page(&mut self) {
        if self.openmetrics {
            self.out.text.extend_from_slice(b"# EOF\n");
        }
    }

    /// Writes the lines before the samples.
    pub(super) fn head(&mut self, family: &Family, run: &PageSection) {
        let PageSection { kind, part, .. } = *run;
        let name = if self.openmetrics { family_name(family, kind) } else { &family.name };
        let name = format!("{name}{}", part.unwrap_or_default());
        let out = &mut self.out.text;
        if !family.help.is_empty() {
            let _ = write!(out, "# HELP {name} ");
            labels::escape(out, &family.help, self.openmetrics);
            out.push(b'\n');
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
            Kind::Untyped if self.openmetrics => "unknown",
            Kind::Untyped => "untyped",
        };
        let _ = writeln!(out, "# TYPE {name} {kind}");
        if self.openmetrics
            && let Some(unit) = family.unit
        {
            let _ = writeln!(out, "# UNIT {name} {}", unit.as_str());
        }
    }

    /// Encodes the labels of a sample as the current ones.
    fn take_labels(&mut self, family: &Family, sample: &Sample) {
        let mut all = Vec::with_capacity(sample.labels.len().saturating_add(family.common.len()));
        labels::collect(family, sample, &mut all);
        self.labels.clear();
        labels::write(&mut self.labels, &all);
    }

    /// Writes the lines of a sample.
    pub(super) fn sample(&mut self, family: &Family, run: &PageSection, sample: &Sample) {
        self.take_labels(family, sample);
        let PageSection { kind, part, .. } = *run;
        let wants = |suffix: &str| part.is_none_or(|part| part == suffix);
        let name = &*family.name;
        let time = sample.timestamp;
        match &sample.value {
            SampleValue::Count { value, exemplar } => {
                self.count(name, "", *value);
                // The value of an exemplar on a counter is one request.
                self.end(time, exemplar.as_ref().map(|exemplar| (exemplar, 1.0)));
            }
            SampleValue::Number(value) => self.number(name, "", *value, time),
            SampleValue::Histogram(histogram) => {
                if wants("_bucket") {
                    self.buckets(name, histogram, time);
                }
                self.sum_and_count(name, wants, (histogram.sum, histogram.count()), time);
            }
            SampleValue::Summary { quantiles, sum, count } => {
                for (quantile, value) in quantiles.iter().filter(|_| wants("")) {
                    let quantile = number::label(*quantile, self.openmetrics);
                    self.line(name, "", Some(("quantile", &quantile)));
                    number::write(&mut self.out.text, *value);
                    self.end(time, None);
                }
                self.sum_and_count(name, wants, (*sum, *count), time);
            }
        }
        if let Some(created) = sample.created
            && self.created
            && matches!(kind, Kind::Counter | Kind::Histogram | Kind::Summary)
        {
            self.number(family_name(family, kind), "_created", created, time);
        }
    }

    /// Writes the lines of buckets, which are most lines of a page. The lines of one sample differ
    /// only at the end.
    fn buckets(&mut self, name: &str, histogram: &Histogram, time: Option<i64>) {
        let Self { openmetrics, labels, bucket, bounds, .. } = self;
        bounds.take(&histogram.bounds, *openmetrics);
        bucket.clear();
        bucket.extend_from_slice(name.as_bytes());
        bucket.extend_from_slice(b"_bucket{");
        bucket.extend_from_slice(labels);
        bucket.extend_from_slice(if labels.is_empty() { b"le=\"" } else { b",le=\"" });
        let mut exemplars = histogram.exemplars.iter().peekable();
        for (number, count) in histogram.counts.iter().enumerate() {
            self.out.text.extend_from_slice(&self.bucket);
            self.out.text.extend_from_slice(self.bounds.ends.get(number).map_or(&[][..], Vec::as_slice));
            whole(&mut self.out.text, *count);
            let exemplar = exemplars.next_if(|(of, ..)| *of == number);
            self.end(time, exemplar.map(|(_, exemplar, value)| (exemplar, *value)));
        }
    }

    fn sum_and_count(
        &mut self,
        name: &str,
        wants: impl Fn(&str) -> bool,
        (sum, count): (f64, u64),
        time: Option<i64>,
    ) {
        if wants("_sum") {
            self.number(name, "_sum", sum, time);
        }
        if wants("_count") {
            self.count(name, "_count", count);
            self.end(time, None);
        }
    }

    fn number(&mut self, name: &str, suffix: &str, value: f64, time: Option<i64>) {
        self.line(name, suffix, None);
        number::write(&mut self.out.text, value);
        self.end(time, None);
    }

    fn count(&mut self, name: &str, suffix: &str, value: u64) {
        self.line(name, suffix, None);
        whole(&mut self.out.text, value);
    }

    /// Writes the name and the labels of a sample.
    fn line(&mut self, name: &str, suffix: &str, last: Option<(&str, &str)>) {
        let Self { out, labels, .. } = self;
        let out = &mut out.text;
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        if !labels.is_empty() || last.is_some() {
            out.push(b'{');
            out.extend_from_slice(labels);
            if let Some((name, value)) = last {
                let comma = if labels.is_empty() { "" } else { "," };
                let _ = write!(out, "{comma}{name}=\"{value}\"");
            }
            out.push(b'}');
        }
        out.push(b' ');
    }

    /// Writes the text after a sample's value.
    fn end(&mut self, time: Option<i64>, exemplar: Option<(&Exemplar, f64)>) {
        let out = &mut self.out.text;
        if let Some(millis) = time {
            let _ = if self.openmetrics {
                write!(out, " {}", millis as f64 / 1e3)
            } else {
                write!(out, " {millis}")
            };
        }
        if let Some((exemplar, value)) = exemplar
            && self.openmetrics
        {
            let mut open = " # {";
            for (name, value) in exemplar.labels() {
                let _ = write!(out, "{open}{name}=\"{value}\"");
                open = ",";
            }
            out.extend_from_slice(b"} ");
            number::write(out, value);
            let at = crate::outputs::metrics::own::seconds_since_1970(exemplar.at);
            let _ = write!(out, " {at}");
        }
        out.push(b'\n');
    }
}

impl BucketLabels {
    fn take(&mut self, bounds: &Arc<[f64]>, openmetrics: bool) {
        if *self.of == **bounds && !self.ends.is_empty() {
            return;
        }
        self.of = Arc::clone(bounds);
        let all = bounds.iter().copied().chain([f64::INFINITY]);
        let end = |bound| format!("{}\"}} ", number::label(bound, openmetrics)).into_bytes();
        self.ends = all.map(end).collect();
    }
}
