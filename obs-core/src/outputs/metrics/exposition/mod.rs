//! The encoding of families as text, in Prometheus' format 0.0.4 or in OpenMetrics 1.0.
//!
//! At a scrape, our metrics and the user's become one list of families, which one encoder writes.
//!
//! * Our families are a snapshot of all numbers, 8 bytes each. Samples are created from it one by
//!   one while the page is written, because there may be hundreds of thousands.
//! * The user's families come from `Registry::gather()`. Our families are in that registry, too,
//!   for other code that gathers it. But its types cannot contain exemplars, units and times of
//!   creation. So for our own page, our collector returns placeholders. The registry adds its
//!   prefix and labels to them, and the encoder replaces them by our families.
//! * A separate thread gathers, and not one of the runtime's blocking threads. If a database hangs,
//!   it may block all of those, and then the metrics are needed most.
//! * Only one run gathers at a time. Scrapes that arrive meanwhile wait for the next run and share
//!   it, so a page always includes the requests that ended before its scrape. After a run, nothing
//!   can fail any more, and invalid samples are already skipped.
//! * The page never exists as a whole. It is an `AnswerBody`, which writes 64 KiB each time the
//!   server polls it. Each scrape writes its own page, so a slow client does not slow others.
//!   Between two pieces the task yields until the runtime has polled its sockets, because servers
//!   continue to poll as long as the client accepts data.
//! * A page of one piece has a `Content-Length`, like any other response.

pub(crate) mod accept;
#[cfg(feature = "prometheus")]
pub(crate) mod invalid_samples;
pub(crate) mod labels;
pub(crate) mod number;
pub(crate) mod openmetrics;
pub(crate) mod page;
pub(crate) mod page_buffer;
pub(crate) mod writer;

use super::exposition::page::Page;
use std::sync::Arc;

use openmetrics::{family_is_legal, reserved_names, text_names};
use page::{FamilyPart, PageSection};

use super::family::{Family, Kind};

/// The formats of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0. Older servers request it with the version of its draft.
    OpenMetrics { draft: bool },
}

impl Format {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics { draft: false } => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
            Self::OpenMetrics { draft: true } => "application/openmetrics-text; version=0.0.1; charset=utf-8",
        }
    }
}

/// The content that a client requests from a page.
pub(crate) struct PageRequest<'a> {
    pub(crate) format: Format,
    /// The names of families or samples. Empty for all families.
    pub(crate) names: &'a [String],
    /// True if OpenMetrics shows the time since which a series counts.
    pub(crate) created: bool,
    pub(crate) gzip: bool,
}

impl PageRequest<'_> {
    /// Returns the page of these families. Calls `on_skipped` for each family that it cannot show.
    pub(crate) fn page(&self, families: &Arc<[Family]>, on_skipped: &dyn Fn(&str)) -> Page {
        let mut taken = Vec::new();
        // Our families reserve their names first, regardless of their position in the page.
        let kinds = [true, false].map(|own| {
            let kinds = families.iter().map(|family| {
                (family.own == own).then(|| self.shown_kind(family, &mut taken, on_skipped)).flatten()
            });
            kinds.collect::<Vec<_>>()
        });
        let [own, others] = kinds;
        let kinds = own.into_iter().zip(others).map(|(own, other)| own.or(other));
        let mut runs = Vec::new();
        for (number, (family, kind)) in families.iter().zip(kinds).enumerate() {
            if let Some(kind) = kind
                && self.wants(family)
            {
                let parts = parts(family, kind).iter();
                runs.extend(parts.map(|part| PageSection { family: number, kind, part: *part }));
            }
        }
        let Self { format, created, gzip, .. } = *self;
        Page { families: Arc::clone(families), runs: runs.into(), format, created, gzip }
    }

    fn wants(&self, family: &Family) -> bool {
        let names = self.names;
        names.is_empty() || reserved_names(family, family.kind).iter().any(|name| names.contains(name))
    }

    /// Returns the kind with which a family can be shown without making the page invalid. `None` if
    /// it cannot be shown.
    fn shown_kind(
        &self,
        family: &Family,
        taken: &mut Vec<String>,
        on_skipped: &dyn Fn(&str),
    ) -> Option<Kind> {
        if family.is_empty() {
            return None;
        }
        if !labels::is_metric_name(&family.name) {
            on_skipped("the registry contains a metric with an invalid name, so /metrics skips it");
            return None;
        }
        let mut take = |names: Vec<String>| {
            let free = names.iter().all(|name| taken.binary_search(name).is_err());
            for name in names.into_iter().filter(|_| free) {
                let (Ok(place) | Err(place)) = taken.binary_search(&name);
                taken.insert(place, name);
            }
            free
        };
        if self.format == Format::Text {
            if take(text_names(family)) {
                return Some(family.kind);
            }
            on_skipped("two metrics have names that collide, so /metrics skips one of them");
            return None;
        }
        // A family that violates OpenMetrics' rules for its kind is shown without a kind, under the
        // same names.
        let legal = family_is_legal(family).then_some(family.kind);
        let shown = legal.into_iter().chain([Kind::Untyped]).find(|kind| take(reserved_names(family, *kind)));
        if shown.is_none() {
            on_skipped(
                "two metrics have names that collide in OpenMetrics, so /metrics skips one of them in that format",
            );
        }
        shown
    }
}

/// Returns the parts of a family. If it is shown without its kind, each of its names becomes a
/// separate family.
const fn parts(family: &Family, kind: Kind) -> &'static [FamilyPart] {
    match (kind, family.kind) {
        (Kind::Untyped, Kind::Histogram) => &[Some("_bucket"), Some("_sum"), Some("_count")],
        (Kind::Untyped, Kind::Summary) => &[Some(""), Some("_sum"), Some("_count")],
        _ => &[None],
    }
}

#[cfg(test)]
mod tests {
    use crate::http::answer_body::Pieces as _;
    use std::{cell::Cell, io::Read as _};

    use flate2::read::GzDecoder;

    use super::*;
    use crate::outputs::metrics::{
        family::{Histogram, LabelSet, Sample, SampleValue},
        histogram::Unit,
    };

    const OPEN: Format = Format::OpenMetrics { draft: false };

    fn family(name: &'static str, kind: Kind, value: SampleValue) -> Family {
        let mut family = Family::new(name, "Help\nwith a \\ and a \"quote\".", kind);
        let labels: LabelSet = Arc::from([("path".into(), "a\\b\"c\nd".to_owned())]);
        family.samples.push(Sample { labels, value, created: Some(1.5), timestamp: None });
        family
    }

    fn others(name: &'static str, kind: Kind, value: SampleValue) -> Family {
        Family { own: false, others: true, ..family(name, kind, value) }
    }

    fn histogram(bounds: &[(f64, u64)], sum: f64) -> SampleValue {
        let (mut bounds, counts): (Vec<_>, _) = bounds.iter().copied().unzip();
        assert_eq!(bounds.pop(), Some(f64::INFINITY));
        SampleValue::Histogram(Histogram { bounds: bounds.into(), counts, sum, exemplars: Vec::new() })
    }

    fn text(page: &Page) -> String {
        let text = page.pieces().next();
        String::from_utf8(text.to_vec()).expect("UTF-8")
    }

    fn page(format: Format, families: &Arc<[Family]>) -> (String, u32) {
        let skipped = Cell::new(0);
        let wanted = PageRequest { format, names: &[], created: true, gzip: false };
        let page = wanted.page(families, &|_| skipped.set(skipped.get() + 1));
        (text(&page), skipped.get())
    }

    #[test]
    fn a_page_of_each_format() {
        let mut seconds =
            family("t_seconds", Kind::Histogram, histogram(&[(1.0, 1), (1e6, 2), (f64::INFINITY, 3)], 1.5));
        seconds.unit = Some(Unit::Seconds);
        let families = Arc::from([
            family("hits_total", Kind::Counter, SampleValue::Count { value: 3, exemplar: None }),
            Family::new("empty", "Never shown.", Kind::Gauge),
            seconds,
        ]);
        let (text, skipped) = page(Format::Text, &families);
        assert_eq!(
            text,
            r#"# HELP hits_total Help\nwith a \\ and a "quote".
# TYPE hits_total counter
hits_total{path="a\\b\"c\nd"} 3
# HELP t_seconds Help\nwith a \\ and a "quote".
# TYPE t_seconds histogram
t_seconds_bucket{path="a\\b\"c\nd",le="1"} 1
t_seconds_bucket{path="a\\b\"c\nd",le="1e+06"} 2
t_seconds_bucket{path="a\\b\"c\nd",le="+Inf"} 3
t_seconds_sum{path="a\\b\"c\nd"} 1.5
t_seconds_count{path="a\\b\"c\nd"} 3
"#
        );
        let (open, left_out_too) = page(OPEN, &families);
        assert_eq!(
            open,
            r#"# HELP hits Help\nwith a \\ and a \"quote\".
# TYPE hits counter
hits_total{path="a\\b\"c\nd"} 3
hits_created{path="a\\b\"c\nd"} 1.5
# HELP t_seconds Help\nwith a \\ and a \"quote\".
# TYPE t_seconds histogram
# UNIT t_seconds seconds
t_seconds_bucket{path="a\\b\"c\nd",le="1.0"} 1
t_seconds_bucket{path="a\\b\"c\nd",le="1e+06"} 2
t_seconds_bucket{path="a\\b\"c\nd",le="+Inf"} 3
t_seconds_sum{path="a\\b\"c\nd"} 1.5
t_seconds_count{path="a\\b\"c\nd"} 3
t_seconds_created{path="a\\b\"c\nd"} 1.5
# EOF
"#
        );
        assert_eq!(skipped + left_out_too, 0);
    }

    #[test]
    fn what_openmetrics_forbids_keeps_its_names_and_loses_its_kind() {
        let cases = [
            (others("hits", Kind::Counter, SampleValue::Number(1.0)), "# TYPE hits unknown\nhits{"),
            (
                others("hits_total", Kind::Counter, SampleValue::Number(f64::NAN)),
                "# TYPE hits_total unknown\nhits_total{",
            ),
            (
                others("h", Kind::Histogram, histogram(&[(-1.0, 1), (f64::INFINITY, 1)], -2.0)),
                "# TYPE h_bucket unknown\nh_bucket{",
            ),
            (
                others(
                    "s",
                    Kind::Summary,
                    SampleValue::Summary { quantiles: vec![(0.5, -1.0)], sum: 1.0, count: 1 },
                ),
                "# TYPE s_sum unknown\ns_sum{",
            ),
        ];
        for (family, expected) in cases {
            let (mut family, help) = (family, "");
            family.help = help.into();
            let name = family.name.clone();
            let (open, skipped) = page(OPEN, &Arc::from([family]));
            assert!(open.contains(expected), "{name}: {open}");
            assert_eq!(skipped, 0, "{name}");
        }
    }

    #[test]
    fn names_that_collide_in_openmetrics_only_hurt_themselves() {
        let families = Arc::from([
            others("hits", Kind::Gauge, SampleValue::Number(1.0)),
            family("hits_total", Kind::Counter, SampleValue::Number(2.0)),
            others("more", Kind::Gauge, SampleValue::Number(3.0)),
            others("more_total", Kind::Counter, SampleValue::Number(4.0)),
        ]);
        let (open, skipped) = page(OPEN, &families);
        assert!(!open.contains("hits{"), "our sample takes precedence: {open}");
        assert!(open.contains("# TYPE hits counter"), "{open}");
        assert!(open.contains("# TYPE more gauge") && open.contains("# TYPE more_total unknown"), "{open}");
        assert_eq!(skipped, 1);
        let (text, skipped) = page(Format::Text, &families);
        assert!(text.contains("hits{") && text.contains("more_total{"), "{text}");
        assert_eq!(skipped, 0);
    }

    #[cfg(feature = "prometheus")]
    #[test]
    fn invalid_names_and_doubles_are_left_out() {
        let mut doubled = others("twice", Kind::Gauge, SampleValue::Number(1.0));
        let labels = doubled.samples[0].labels.clone();
        doubled.samples.push(Sample {
            labels,
            value: SampleValue::Number(2.0),
            created: None,
            timestamp: None,
        });
        let bad_label: LabelSet = Arc::from([("bad-label".into(), String::new())]);
        let mut labelled = others("labelled", Kind::Gauge, SampleValue::Number(1.0));
        labelled.samples[0].labels = bad_label;
        let skipped = Cell::new(0);
        for family in [&mut doubled, &mut labelled] {
            super::invalid_samples::remove_invalid_samples(family, &|_| skipped.set(skipped.get() + 1));
        }
        assert_eq!(skipped.get(), 2);
        let families =
            Arc::from([others("bad-name", Kind::Gauge, SampleValue::Number(1.0)), doubled, labelled]);
        for format in [Format::Text, OPEN] {
            let (text, skipped) = page(format, &families);
            assert!(!text.contains("bad") && text.matches("twice{").count() == 1, "{text}");
            assert_eq!(skipped, 1, "the name");
        }
    }

    #[test]
    fn a_large_page_is_written_in_pieces() {
        const SAMPLES: usize = 10_000;
        let mut large = family("large", Kind::Gauge, SampleValue::Number(0.5));
        let sample = large.samples[0].clone();
        large.samples.resize(SAMPLES, sample);
        let families = Arc::from([large, family("small", Kind::Gauge, SampleValue::Number(1.0))]);
        let page =
            |gzip| PageRequest { format: OPEN, names: &[], created: true, gzip }.page(&families, &|_| {});
        let read = |page: &Page| {
            let (mut pieces, mut read) = (page.pieces(), Vec::new());
            while !pieces.has_ended() {
                read.push(pieces.next());
                assert!(read.last().is_some_and(|piece| piece.len() <= 64 * 1024));
            }
            assert!(pieces.next().is_empty(), "nothing comes after the end");
            read
        };
        let uncompressed = read(&page(false));
        assert_eq!(read(&page(false)), uncompressed, "a page can be written several times");
        assert!(
            uncompressed.len() > 3 && uncompressed.iter().all(|piece| piece.ends_with(b"\n")),
            "lines are whole"
        );
        let text = uncompressed.concat();
        assert_eq!(text.windows(5).filter(|part| part == b"path=").count(), SAMPLES + 1);
        assert!(text.ends_with(b"\"} 1\n# EOF\n"));
        if cfg!(not(feature = "gzip")) {
            return;
        }
        let mut unpacked = Vec::new();
        let compressed = read(&page(true)).concat();
        GzDecoder::new(&*compressed).read_to_end(&mut unpacked).expect("valid");
        assert_eq!(unpacked, text);
    }

    #[test]
    fn names_choose_families() {
        let families = Arc::from([
            family("hits_total", Kind::Counter, SampleValue::Number(1.0)),
            family("t_seconds", Kind::Histogram, histogram(&[(f64::INFINITY, 1)], 1.0)),
            family("level", Kind::Gauge, SampleValue::Number(1.0)),
        ]);
        let chosen = |names: &[&str], format| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            let wanted = PageRequest { format, names: &names, created: true, gzip: false };
            let text = text(&wanted.page(&families, &|_| {}));
            ["hits_total{", "t_seconds_sum{", "level{"].map(|name| text.contains(name))
        };
        assert_eq!(chosen(&["hits_total"], Format::Text), [true, false, false]);
        assert_eq!(chosen(&["hits_total", "level"], OPEN), [true, false, true]);
        assert_eq!(chosen(&["t_seconds_bucket"], OPEN), [false, true, false]);
        assert_eq!(chosen(&["hits"], OPEN), [true, false, false], "the family's name in OpenMetrics");
        assert_eq!(chosen(&["nothing"], OPEN), [false; 3]);
    }
}
