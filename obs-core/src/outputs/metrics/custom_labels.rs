//! Labels of the application's own: from fields, and from headers.
//!
//! Each value of a label gets a number. The numbers of all these labels of a request are combined
//! into one number. For these labels, the key of a series contains only this number. So the key has
//! the same size with and without such labels.

use std::{
    borrow::Cow,
    hash::BuildHasher as _,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rustc_hash::FxBuildHasher;

use super::{
    series_key::MAX_COMBINATIONS,
    settings::{LabelSource, MetricLabel, Metrics},
};
use crate::{
    base::{build_error::BuildError, text::bounded, value::Value},
    http::headers::is_header_name,
    record::finished::Record,
    redact::diagnostics,
};

/// The number of values of a label from a field, if no limit is set.
const LIMIT: usize = 100;

/// The longest value in bytes.
const MAX_VALUE: usize = 128;

/// The source of a label's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CustomSource {
    Field(Cow<'static, str>),
    /// A header in lower case, and the values that become label values.
    Header(Cow<'static, str>, Vec<String>),
}

/// The labels of the application's own, in their order.
pub(super) struct CustomLabels(Vec<CustomLabel>);

/// The place of a value and of its number.
type SeenValues = OnceLock<(Box<str>, usize)>;

struct CustomLabel {
    source: CustomSource,
    /// The number of values, without [`ABSENT`] and [`REST`].
    limit: usize,
    /// The values that were seen in a field. Each place is written once, so readers never wait.
    /// From the place of its hash, a value is at the first place that is free or has the value.
    seen: Box<[SeenValues]>,
    /// The number of values that were seen, and the lock for adding one.
    count: Mutex<usize>,
    /// True if there is no room for another value.
    full: AtomicBool,
}

/// The number of a label without a value, and that of all values that are no label values.
const ABSENT: usize = 0;
const REST: usize = 1;
const FIRST: usize = 2;

impl CustomSource {
    const fn name(&self) -> &Cow<'static, str> {
        let (Self::Field(name) | Self::Header(name, _)) = self;
        name
    }
}

impl CustomLabels {
    /// Collects these labels, and completes their sources and names. `None` if there are none.
    pub(super) fn of(labels: &mut [MetricLabel]) -> Option<Self> {
        let mut all = Vec::new();
        for label in labels {
            let Some(source) = &label.custom else { continue };
            let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
            label.name.get_or_insert_with(|| source.name().chars().map(allowed).collect());
            label.source = LabelSource::Custom(all.len());
            let limit = match source {
                CustomSource::Field(_) => label.limit.unwrap_or(LIMIT),
                CustomSource::Header(_, values) => values.len(),
            };
            // Half of the places stay free, so that values are found fast.
            let places = if limit <= MAX_COMBINATIONS { limit.saturating_mul(2) } else { 0 };
            all.push(CustomLabel {
                source: source.clone(),
                limit,
                seen: (0..places).map(|_| SeenValues::new()).collect(),
                count: Mutex::new(0),
                full: AtomicBool::new(false),
            });
        }
        (!all.is_empty()).then_some(Self(all))
    }

    /// The number of combinations of values.
    fn combinations(&self) -> usize {
        self.0.iter().fold(1, |product, label| product.saturating_mul(label.limit.saturating_add(FIRST)))
    }

    /// Returns the number of a record's combination of values.
    #[inline(never)]
    pub(super) fn number(&self, record: &Record) -> u32 {
        let number = self.0.iter().fold(0_usize, |number, label| {
            let of_label = label.number(label.value(record).as_deref());
            number.saturating_mul(label.limit.saturating_add(FIRST)).saturating_add(of_label)
        });
        u32::try_from(number).unwrap_or_default()
    }

    /// Returns the value of a label. [`number`](Self::number) has seen the record.
    pub(super) fn text(&self, place: usize, record: &Record) -> Option<String> {
        let label = self.0.get(place)?;
        let value = label.value(record)?;
        let rest = match label.source {
            CustomSource::Field(_) => "overflow",
            CustomSource::Header(..) => "other",
        };
        Some(if label.number(Some(&value)) == REST { rest.to_owned() } else { value.into_owned() })
    }
}

impl CustomLabel {
    /// Returns the value of the field or header. An empty value and a list count as none.
    fn value<'a>(&self, record: &'a Record) -> Option<Cow<'a, str>> {
        let value = match &self.source {
            CustomSource::Field(name) => match record.fields.get(name)? {
                Value::Str(text) => bounded(text, MAX_VALUE),
                Value::Bool(value) => value.to_string().into(),
                Value::I64(value) => value.to_string().into(),
                Value::U64(value) => value.to_string().into(),
                Value::F64(value) => value.to_string().into(),
                Value::List(_) | Value::Absent => return None,
            },
            CustomSource::Header(name, _) => {
                let headers = &record.request()?.start.headers;
                let (_, values) = headers.iter().find(|(header, _)| **header == **name)?;
                Cow::Borrowed(values.first()?.as_str())
            }
        };
        (!value.is_empty()).then_some(value)
    }

    /// Returns the number of a value, which is a new one as long as there is room.
    fn number(&self, value: Option<&str>) -> usize {
        let Some(value) = value else { return ABSENT };
        let known = match &self.source {
            CustomSource::Header(_, values) => values.iter().position(|listed| listed == value),
            CustomSource::Field(_) => match self.place(value) {
                Some(place) => place.get().map(|(_, number)| *number).or_else(|| self.add(value)),
                None => None,
            },
        };
        known.map_or(REST, |number| number.saturating_add(FIRST))
    }

    /// Returns the place of a value, or the free place for it.
    fn place(&self, value: &str) -> Option<&SeenValues> {
        let first = (FxBuildHasher.hash_one(value) as usize).checked_rem(self.seen.len())?;
        let (before, from) = self.seen.split_at_checked(first)?;
        from.iter().chain(before).find(|place| place.get().is_none_or(|(known, _)| **known == *value))
    }

    /// Adds a value and returns its number; `None` if there is no room.
    #[cold]
    fn add(&self, value: &str) -> Option<usize> {
        if self.full.load(Ordering::Relaxed) {
            return None;
        }
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self.place(value)?;
        if let Some((_, number)) = place.get() {
            return Some(*number);
        }
        let number = *count;
        if number >= self.limit {
            drop(count);
            self.note_full();
            return None;
        }
        *count = number.saturating_add(1);
        let _ = place.set((value.into(), number));
        Some(number)
    }

    /// Notes that there is no more room. Warns once.
    fn note_full(&self) {
        if !self.full.swap(true, Ordering::Relaxed) {
            let (name, limit) = (self.source.name(), self.limit);
            diagnostics::warn(format_args!(
                "the metric label of the field `{name}` has reached its limit of {limit} values; further values are counted as `overflow`"
            ));
        }
    }
}

/// Calls `record` with the name of each header from which a label comes.
pub(super) fn headers(metrics: &Metrics, mut record: impl FnMut(&str)) {
    for label in metrics.labels.iter().flatten().chain(&metrics.added_labels) {
        if let Some(CustomSource::Header(name, _)) = &label.custom {
            record(name);
        }
    }
}

/// Rejects labels of the application's own that cannot have a value, or that have too many.
pub(super) fn check(metrics: &Metrics, setting: &'static str, _: &'static str) -> Result<(), BuildError> {
    let mut all = metrics.chosen_labels();
    for label in &all {
        let (name, expected) = match (&label.custom, label.limit) {
            (Some(CustomSource::Field(name)), Some(0)) => (name, "a limit of at least 1 value"),
            (Some(CustomSource::Header(name, values)), None)
                if !values.is_empty() && is_header_name(name) =>
            {
                continue;
            }
            (Some(CustomSource::Header(name, _)), _) => {
                (name, "a header such as `x-region` with at least one value, and without a limit")
            }
            (None, Some(_)) => (&Cow::Borrowed("a limit"), "a limit of a label from a field"),
            _ => continue,
        };
        return Err(BuildError::new(setting, name.as_ref(), expected));
    }
    let combinations = CustomLabels::of(&mut all).map_or(1, |labels| labels.combinations());
    if combinations > MAX_COMBINATIONS {
        let value = format!("{combinations} combinations of values");
        let expected = "labels of the application's own with at most 100,000 combinations: set `limit`";
        return Err(BuildError::new(setting, value, expected));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::test_log::Log,
        http::{head::RequestHead, headers::HeaderLookup, protocol::HttpVersion},
        observer::Observer,
        outputs::{events::settings::Events, metrics::settings::MetricNaming},
        record::outcome::Outcome,
    };

    fn build(metrics: Metrics) -> Result<Observer, BuildError> {
        Observer::builder("test").no_environment().events(Events::off()).metrics(metrics).build()
    }

    fn send(observer: &Observer, field: &'static str, value: impl Into<Value>) {
        let mut observation = observer.start(&RequestHead::new("GET", "/", &()).route(Some("/a")));
        observation.work().set(field, value);
        observation.responded(200, &());
        observation.finish(Outcome::Completed);
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }

    #[test]
    fn values_of_all_types_are_label_values_up_to_the_limit() {
        let log = Log::new();
        let _listening = log.clone().listen();
        let label = MetricLabel::from_field("the.value").limit(5);
        let observer = build(Metrics::new().labels([MetricLabel::route(), label])).expect("valid");
        for value in [Value::from(true), (-1).into(), 2_u8.into(), 0.5.into(), "text".into()] {
            send(&observer, "the.value", value);
        }
        send(&observer, "the.value", "six");
        send(&observer, "the.value", "seven");
        send(&observer, "the.value", "text");
        send(&observer, "the.value", "");
        send(&observer, "another", "six");
        let text = observer.metrics_text();
        for (value, count) in [("true", 1), ("-1", 1), ("2", 1), ("0.5", 1), ("text", 2), ("overflow", 2)] {
            has(&text, &format!(r#"http_requests_total{{endpoint="/a",the_value="{value}"}} {count}"#));
        }
        has(&text, r#"http_requests_total{endpoint="/a"} 2"#);
        assert!(text.contains("obs_series_overflow_total 0"));
        let warning = "WARN the metric label of the field `the.value` has reached its limit of 5 values; \
                       further values are counted as `overflow`";
        assert_eq!(log.lines(), [warning], "once");
    }

    #[test]
    fn threads_that_see_the_same_values_number_them_alike() {
        let mut labels = [MetricLabel::from_field("tenant").limit(50)];
        let labels = CustomLabels::of(&mut labels).expect("a label");
        let number = |n: usize| labels.0[0].number(Some(&format!("tenant {n}")));
        let numbers = || (0..60).map(number).collect::<Vec<_>>();
        let all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(numbers)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let mut sorted = numbers();
        sorted.sort_unstable();
        let expected: Vec<_> = [REST; 10].into_iter().chain(FIRST..FIRST + 50).collect();
        assert_eq!(sorted, expected, "each value has its own number up to the limit");
        for seen in all {
            // A thread that found no room for a value never finds room for it later.
            assert!(seen.iter().zip(numbers()).all(|(before, now)| *before == now));
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let observer = build(Metrics::new().label(MetricLabel::from_field("text"))).expect("valid");
        send(&observer, "text", "long ".repeat(100));
        let text = observer.metrics_text();
        assert!(text.contains(&format!(r#"text="{}…""#, "long ".repeat(25))), "{text}");
    }

    #[test]
    fn the_labels_of_errors_and_of_opentelemetry_include_them() {
        for (naming, line) in [
            (
                MetricNaming::Prometheus,
                r#"http_request_errors_total{method="GET",endpoint="/a",tenant="blue",error_type="panic"} 0"#,
            ),
            (
                MetricNaming::OpenTelemetry,
                r#"http_server_request_duration_seconds_count{http_request_method="GET",http_route="/a",http_response_status_code="500",error_type="500",url_scheme="http",tenant="blue"} 0"#,
            ),
        ] {
            let label = MetricLabel::from_field("tenant");
            let observer = build(Metrics::new().naming(naming).label(label)).expect("valid");
            send(&observer, "tenant", "blue");
            has(&observer.metrics_text(), line);
        }
    }

    /// The headers of a call and of its answer.
    struct Grpc;

    impl HeaderLookup for Grpc {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            match name {
                "content-type" => f(b"application/grpc"),
                "grpc-status" => f(b"0"),
                _ => {}
            }
        }
    }

    #[test]
    fn the_labels_of_calls_include_them() {
        let label = MetricLabel::from_field("tenant");
        let observer = build(Metrics::new().naming(MetricNaming::OpenTelemetry).label(label)).expect("valid");
        for tenant in ["blue", "green"] {
            let head = RequestHead::new("POST", "/pkg.Shop/Buy", &Grpc).version(HttpVersion::Http2);
            let mut call = observer.start(&head.route(Some("/pkg.Shop/Buy")));
            call.work().set("tenant", tenant);
            call.responded(200, &Grpc);
            call.finish(Outcome::Completed);
            let labels = format!(
                r#"rpc_method="pkg.Shop/Buy",rpc_response_status_code="OK",tenant="{tenant}",rpc_system_name="grpc""#
            );
            has(&observer.metrics_text(), &format!("rpc_server_response_size_bytes_count{{{labels}}} 1"));
        }
    }

    /// Many values cannot take the places of routes.
    #[test]
    fn each_route_has_a_place_and_its_values_share_the_limit() {
        let label = MetricLabel::from_field("tenant");
        let observer = build(Metrics::new().label(label).series_limit(10)).expect("valid");
        for n in 0..50 {
            send(&observer, "tenant", n);
        }
        let text = observer.metrics_text();
        let series = text.lines().filter(|line| line.starts_with("http_requests_total{"));
        // The first, the limit, half of it in advance, and the overflow.
        assert_eq!(series.count(), 1 + 10 + 5 + 1, "{text}");
        has(
            &text,
            r#"http_requests_total{method="overflow",endpoint="overflow",status="overflow",tenant="overflow"} 39"#,
        );
    }

    #[test]
    fn labels_without_a_possible_value_are_rejected() {
        let none: [&str; 0] = [];
        for (labels, message) in [
            (
                vec![MetricLabel::from_field("tenant").limit(0)],
                "`label` is \"tenant\", but should be a limit of at least 1 value",
            ),
            (
                vec![MetricLabel::from_header("x-region", none)],
                "`label` is \"x-region\", but should be a header such as `x-region` with at least one value, and without a limit",
            ),
            (
                vec![MetricLabel::scheme().limit(3)],
                "`label` is \"a limit\", but should be a limit of a label from a field",
            ),
            (
                vec![
                    MetricLabel::from_field("a"),
                    MetricLabel::from_field("b"),
                    MetricLabel::from_field("c"),
                ],
                "`label` is \"1061208 combinations of values\", but should be labels of the application's own with at most 100,000 combinations: set `limit`",
            ),
            (
                vec![MetricLabel::from_field("status")],
                "`labels` is \"status\", but should be a different name for each label",
            ),
            (
                vec![MetricLabel::from_field("error.type")],
                "`labels` is \"error_type\", but should be a different name for each label",
            ),
            (
                vec![MetricLabel::from_field("4th")],
                "`labels` is \"4th\", but should be a label name such as `endpoint`",
            ),
        ] {
            let metrics = labels.into_iter().fold(Metrics::new(), Metrics::label);
            assert_eq!(build(metrics).expect_err("refused").to_string(), message);
        }
    }
}
