//! Tests of whole pages.

use std::{cell::Cell, io::Read as _, sync::Arc};

use flate2::read::GzDecoder;

use super::{format::Format, page::Page, page_request::PageRequest};
use crate::{
    http::answer_body::Pieces as _,
    outputs::metrics::{
        family::{Family, Histogram, Kind, LabelSet, Sample, SampleValue},
        histogram::Unit,
    },
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
fn families_that_openmetrics_forbids_are_unknown() {
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
fn colliding_names_in_openmetrics_affect_only_themselves() {
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
fn invalid_and_repeated_samples_are_skipped() {
    let mut doubled = others("twice", Kind::Gauge, SampleValue::Number(1.0));
    let labels = doubled.samples[0].labels.clone();
    doubled.samples.push(Sample { labels, value: SampleValue::Number(2.0), created: None, timestamp: None });
    let bad_label: LabelSet = Arc::from([("bad-label".into(), String::new())]);
    let mut labelled = others("labelled", Kind::Gauge, SampleValue::Number(1.0));
    labelled.samples[0].labels = bad_label;
    let skipped = Cell::new(0);
    for family in [&mut doubled, &mut labelled] {
        super::invalid_samples::remove_invalid_samples(family, &|_| skipped.set(skipped.get() + 1));
    }
    assert_eq!(skipped.get(), 2);
    let families = Arc::from([others("bad-name", Kind::Gauge, SampleValue::Number(1.0)), doubled, labelled]);
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
    let page = |gzip| PageRequest { format: OPEN, names: &[], created: true, gzip }.page(&families, &|_| {});
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
fn names_select_families() {
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
