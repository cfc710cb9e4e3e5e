//! What the series of requests are at a scrape, and the families that show them.
//!
//! There may be thousands. So a family holds none of their samples but makes one after the other while the page is
//! written, and only what has to agree between families is read beforehand.

use std::sync::Arc;

use super::{
    exemplar::Exemplars,
    family::{Family, Histogram, Kind, LabelSet, Sample, Source, Value},
    histogram::{Bounds, Snapshot},
    scheme::{DURATION_PART, HEAD_PART, REQUEST_SIZE_PART, RESPONSE_SIZE_PART, Scheme},
    series::{ErrorSeries, RequestSeries, Series},
};

/// All series of requests, in the order of the page.
#[derive(Debug)]
struct Gathered(Vec<OfRequests>);

/// One snapshot serves the count's family and the duration's: they agree within a scrape.
#[derive(Debug)]
struct OfRequests {
    series: Arc<RequestSeries>,
    duration: Snapshot,
    stream: Option<Snapshot>,
}

/// A family of them.
#[derive(Debug)]
struct RequestSamples {
    gathered: Arc<Gathered>,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Count,
    Duration,
    Stream,
    /// A histogram that is read while it is written.
    Part(usize),
}

#[derive(Debug)]
struct ErrorSamples(Vec<Arc<ErrorSeries>>);

/// What there is now, for a scrape.
pub(super) fn families(series: &Series, out: &mut Vec<Family>) {
    let (scheme, names) = (series.scheme(), series.scheme().names);
    let requests = ordered(scheme, series.requests.values(), |series| &series.labels);
    let requests = requests.into_iter().chain(series.requests_overflow.get().cloned());
    let gathered = Arc::new(Gathered(requests.map(OfRequests::now).collect()));
    let unit = |part| scheme.layout.bounds(part).map(|bounds| bounds.unit);
    let family = |name, kind, what, unit| {
        let samples = RequestSamples { gathered: Arc::clone(&gathered), what };
        Family { source: Some(Arc::new(samples)), unit, ..Scheme::family(name, kind) }
    };
    let histogram = |name, what, part| family(name, Kind::Histogram, what, unit(part));
    out.extend(names.requests.map(|name| family(name, Kind::Counter, What::Count, None)));
    out.push(histogram(names.duration, What::Duration, DURATION_PART));
    out.push(histogram(names.stream, What::Stream, DURATION_PART));
    for (name, part) in [(names.request_size, REQUEST_SIZE_PART), (names.response_size, RESPONSE_SIZE_PART)] {
        out.push(histogram(name, What::Part(part), part));
    }
    if scheme.head {
        out.push(histogram(names.head, What::Part(HEAD_PART), HEAD_PART));
    }
    out.extend(names.errors.map(|name| {
        let mut errors = ordered(scheme, series.errors.values(), |series| &series.labels);
        errors.extend(series.errors_overflow.get().cloned());
        Family { source: Some(Arc::new(ErrorSamples(errors))), ..Scheme::family(name, Kind::Counter) }
    }));
}

/// By endpoint, then by the other labels. What is compared is looked up once for each, not once for each comparison.
fn ordered<S>(scheme: &Scheme, series: Vec<Arc<S>>, labels: impl Fn(&S) -> &LabelSet) -> Vec<Arc<S>> {
    let mut keyed: Vec<_> = series.iter().map(|series| (scheme.order(labels(series)), series)).collect();
    keyed.sort_unstable_by_key(|(order, _)| *order);
    keyed.into_iter().map(|(_, series)| Arc::clone(series)).collect()
}

impl OfRequests {
    fn now(series: Arc<RequestSeries>) -> Self {
        let duration = series.histograms.snapshot(DURATION_PART);
        let stream = series.stream.get().map(|(histograms, _)| histograms.snapshot(0));
        Self { series, duration, stream }
    }
}

impl Source for RequestSamples {
    fn len(&self) -> usize {
        self.gathered.0.len()
    }

    fn sample(&self, number: usize, exemplars: bool) -> Option<Sample> {
        let OfRequests { series, duration, stream } = self.gathered.0.get(number)?;
        let value = match self.what {
            What::Count => {
                let streams = stream.as_ref().map_or(0, Snapshot::count);
                Value::Count { value: duration.count().saturating_add(streams), exemplar: None }
            }
            What::Duration => {
                // A series that has only streams has no latency.
                if stream.is_some() && duration.count() == 0 {
                    return None;
                }
                let bounds = series.histograms.bounds(DURATION_PART)?;
                histogram(bounds, duration.clone(), exemplars.then_some(&series.exemplars))
            }
            What::Stream => {
                let (histograms, kept) = series.stream.get()?;
                histogram(histograms.bounds(0)?, stream.clone()?, exemplars.then_some(kept))
            }
            What::Part(part) => {
                histogram(series.histograms.bounds(part)?, series.histograms.snapshot(part), None)
            }
        };
        Some(sample(&series.labels, value, series.created))
    }
}

impl Source for ErrorSamples {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn sample(&self, number: usize, exemplars: bool) -> Option<Sample> {
        let series = self.0.get(number)?;
        let mut exemplar = None;
        if exemplars {
            series.exemplar.each(|_, kept| exemplar = Some(kept.clone()));
        }
        let value = Value::Count { value: series.count.get(), exemplar };
        Some(sample(&series.labels, value, series.created))
    }
}

fn sample(labels: &LabelSet, value: Value, created: f64) -> Sample {
    Sample { labels: Arc::clone(labels), value, created: Some(created), timestamp: None }
}

fn histogram(bounds: &Bounds, snapshot: Snapshot, exemplars: Option<&Exemplars>) -> Value {
    let mut kept = Vec::new();
    if let Some(exemplars) = exemplars {
        exemplars.each(|bucket, exemplar| {
            kept.push((bucket, exemplar.clone(), bounds.unit.of_raw(exemplar.raw)));
        });
    }
    Value::Histogram(Histogram {
        bounds: Arc::clone(&bounds.upper),
        sum: bounds.unit.of_raw(snapshot.sum),
        counts: snapshot.buckets,
        exemplars: kept,
    })
}
