//! A snapshot of all series of requests for a scrape, and the families that show it.
//!
//! There may be thousands of series. So all numbers are read at once, into compact memory. A family
//! stores no samples. It creates one after the other while the page is written. Even if a client
//! reads slowly, the whole page shows the values of one point in time.

use std::{sync::Arc, time::Instant};

use super::{
    exemplar::Exemplars,
    family::{Family, Histogram, Kind, LabelSet, Sample, SampleSource, SampleValue},
    histogram::{HistogramState, Histograms, Snapshot},
    names::FamilyName,
    request_histograms::{DURATION, REQUEST_HISTOGRAMS, RequestHistogram, STREAM},
    scheme::Scheme,
    series::{ErrorSeries, RequestSeries, Series},
};

use crate::base::sort::sort_by;

/// All series of requests, in the order of the page.
struct Gathered(Vec<RequestSnapshot>);

/// The snapshot of one series. All families use it, so they are consistent within a scrape.
struct RequestSnapshot {
    series: Arc<RequestSeries>,
    now: Snapshot,
    stream: Option<Snapshot>,
}

/// The samples of one family.
struct RequestSamples {
    gathered: Arc<Gathered>,
    what: SampledFamily,
}

#[derive(Clone, Copy)]
enum SampledFamily {
    Count,
    Stream,
    /// A row of [`REQUEST_HISTOGRAMS`].
    Part(usize),
}

/// The samples of the family of errors.
struct ErrorSamples(Vec<(Arc<ErrorSeries>, u64)>);

/// Appends the families of requests and errors with their current values.
pub(super) fn families(series: &Series, out: &mut Vec<Family>) {
    series.remove_idle(Instant::now());
    let (scheme, names) = (series.scheme(), series.scheme().names);
    // An error is counted after its request and read before it, so every shown error has its
    // request.
    let errors = names.errors.map(|name| {
        let mut errors = ordered(scheme, series.errors.values(), |series| &series.labels);
        errors.extend(series.errors.overflow_series());
        let errors = errors.into_iter().map(|series| (Arc::clone(&series), series.count.get())).collect();
        Family { source: Some(Arc::new(ErrorSamples(errors))), ..Scheme::family(name, Kind::Counter) }
    });
    let mut requests = ordered(scheme, series.requests.values(), |series| &series.labels);
    requests.extend(series.requests.overflow_series());
    let snapshots: Vec<_> = requests.into_iter().map(RequestSnapshot::now).collect();
    let (calls, requests): (Vec<_>, Vec<_>) = snapshots.into_iter().partition(|now| now.series.is_call);
    let requests = Arc::new(Gathered(requests));
    out.extend(names.requests.map(|name| requests.family(name, Kind::Counter, SampledFamily::Count)));
    requests.histograms(scheme, |row| scheme.name_of(row), out);
    out.extend(errors);
    if scheme.has_families_of_calls() {
        Arc::new(Gathered(calls)).histograms(scheme, |row| row.rpc, out);
    }
}

impl Gathered {
    fn family(self: &Arc<Self>, name: FamilyName, kind: Kind, what: SampledFamily) -> Family {
        let samples = RequestSamples { gathered: Arc::clone(self), what };
        Family { source: Some(Arc::new(samples)), ..Scheme::family(name, kind) }
    }

    /// Appends the families of all histograms.
    fn histograms(
        self: &Arc<Self>,
        scheme: &Scheme,
        name: impl Fn(&RequestHistogram) -> &'static str,
        out: &mut Vec<Family>,
    ) {
        let mut add = |row: &RequestHistogram, what| {
            let family = self.family((name(row), row.help), Kind::Histogram, what);
            out.push(Family { unit: Some(row.unit), ..family });
        };
        for (part, row) in REQUEST_HISTOGRAMS.iter().enumerate() {
            if scheme.layout.bounds(part).is_some() {
                add(row, SampledFamily::Part(part));
            }
        }
        add(&STREAM, SampledFamily::Stream);
    }
}

/// Sorts series by route, then by the other labels. The sort keys are computed once for each
/// series, and not for each comparison.
fn ordered<S>(scheme: &Scheme, series: Vec<Arc<S>>, labels: impl Fn(&S) -> &LabelSet) -> Vec<Arc<S>> {
    let mut keyed: Vec<_> = series.iter().map(|series| (scheme.order(labels(series)), series)).collect();
    sort_by(&mut keyed, |(one, _), (other, _)| one.cmp(other));
    keyed.into_iter().map(|(_, series)| Arc::clone(series)).collect()
}

impl RequestSnapshot {
    fn now(series: Arc<RequestSeries>) -> Self {
        let now = series.histograms.snapshot();
        let stream = series.stream.get().map(|(histograms, _)| histograms.snapshot());
        Self { series, now, stream }
    }

    fn part(&self, part: usize) -> Option<HistogramState<'_>> {
        self.series.histograms.state(&self.now, part)
    }

    /// Returns the histogram of streams and its exemplars, if there were streams.
    fn streams(&self) -> Option<(HistogramState<'_>, &Histograms, &Exemplars)> {
        let (histograms, exemplars) = self.series.stream.get()?;
        Some((histograms.state(self.stream.as_ref()?, 0)?, histograms, exemplars))
    }
}

impl SampleSource for RequestSamples {
    fn len(&self) -> usize {
        self.gathered.0.len()
    }

    fn sample(&self, number: usize, exemplars: bool) -> Option<Sample> {
        let of = self.gathered.0.get(number)?;
        let series = &of.series;
        let value = match self.what {
            SampledFamily::Count => {
                let streams = of.streams().map_or(0, |(state, ..)| state.count());
                let count = of.part(DURATION)?.count().saturating_add(streams);
                SampleValue::Count { value: count, exemplar: None }
            }
            SampledFamily::Stream => {
                let (state, histograms, kept) = of.streams()?;
                histogram(histograms, 0, state, exemplars.then_some(kept))?
            }
            SampledFamily::Part(part) => {
                let state = of.part(part)?;
                let of_duration = part == DURATION;
                // A series that has only streams has no durations to show.
                if of_duration && of.stream.is_some() && state.count() == 0 {
                    return None;
                }
                let kept = (exemplars && of_duration).then_some(&series.exemplars);
                histogram(&series.histograms, part, state, kept)?
            }
        };
        Some(sample(&series.labels, value, series.created))
    }
}

impl SampleSource for ErrorSamples {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn sample(&self, number: usize, exemplars: bool) -> Option<Sample> {
        let (series, value) = self.0.get(number)?;
        let mut exemplar = None;
        if exemplars {
            series.exemplar.each(&mut |_, kept| exemplar = Some(kept.clone()));
        }
        let value = SampleValue::Count { value: *value, exemplar };
        Some(sample(&series.labels, value, series.created))
    }
}

fn sample(labels: &LabelSet, value: SampleValue, created: f64) -> Sample {
    Sample { labels: Arc::clone(labels), value, created: Some(created), timestamp: None }
}

/// Returns the value of a histogram. Its exemplars are read now, because they are too large for the
/// snapshot. So they may be newer than the snapshot.
pub(super) fn histogram(
    histograms: &Histograms,
    part: usize,
    state: HistogramState<'_>,
    exemplars: Option<&Exemplars>,
) -> Option<SampleValue> {
    let bounds = histograms.bounds(part)?;
    let mut kept = Vec::new();
    if let Some(exemplars) = exemplars {
        exemplars.each(&mut |bucket, exemplar| {
            kept.push((bucket, exemplar.clone(), bounds.unit.of_raw(exemplar.raw)));
        });
    }
    Some(SampleValue::Histogram(Histogram {
        bounds: Arc::clone(&bounds.upper),
        sum: bounds.unit.of_raw(state.sum),
        counts: state.buckets.to_vec(),
        exemplars: kept,
    }))
}
