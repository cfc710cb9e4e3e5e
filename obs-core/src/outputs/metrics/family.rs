//! A family of metrics at a scrape: ours and the user's in one shape, for one encoder.

use std::{borrow::Cow, sync::Arc};

use super::{exemplar::Exemplar, histogram::Unit};

/// Names and values of a sample's labels.
pub(crate) type LabelSet = Arc<[(Cow<'static, str>, String)]>;

/// All samples of one name.
pub(crate) struct Family {
    pub(crate) name: Cow<'static, str>,
    pub(crate) help: Cow<'static, str>,
    pub(crate) kind: Kind,
    pub(crate) unit: Option<Unit>,
    /// Ours of the requests, which are made while they are written.
    pub(crate) source: Option<Arc<dyn SampleSource>>,
    /// Those that are there already.
    pub(crate) samples: Vec<Sample>,
    /// Labels of every sample, behind its own.
    pub(crate) common: LabelSet,
    /// Ours, not the user's.
    pub(crate) own: bool,
    /// Whether there are samples of the user's among them.
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
    pub(crate) others: bool,
}

/// Without the feature `prometheus`, only those of ours.
#[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
    Untyped,
}

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) labels: LabelSet,
    pub(crate) value: SampleValue,
    /// Seconds since 1970 at which it began to count.
    pub(crate) created: Option<f64>,
    /// Milliseconds since 1970, where the user's collector has set them.
    pub(crate) timestamp: Option<i64>,
}

/// Without the feature `prometheus`, only those of ours.
#[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
#[derive(Clone, Debug)]
pub(crate) enum SampleValue {
    Count { value: u64, exemplar: Option<Exemplar> },
    Number(f64),
    Histogram(Histogram),
    Summary { quantiles: Vec<(f64, f64)>, sum: f64, count: u64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    /// The buckets' upper bounds, without the last one's, which is `+Inf`.
    pub(crate) bounds: Arc<[f64]>,
    /// Cumulative, of each bucket.
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: f64,
    /// Few buckets have one: the bucket's number, and the exemplar with its value in the family's unit.
    pub(crate) exemplars: Vec<(usize, Exemplar, f64)>,
}

impl Histogram {
    pub(crate) fn count(&self) -> u64 {
        self.counts.last().copied().unwrap_or_default()
    }
}

/// Makes the samples of a family, one at a time.
pub(crate) trait SampleSource: Send + Sync {
    /// Numbers of samples are less than this.
    fn len(&self) -> usize;

    /// The sample of this number, if there is one: with exemplars only where somebody shows them.
    fn sample(&self, number: usize, exemplars: bool) -> Option<Sample>;
}

impl Family {
    pub(crate) fn new(name: &'static str, help: &'static str, kind: Kind) -> Self {
        Self {
            name: name.into(),
            help: help.into(),
            kind,
            unit: None,
            source: None,
            samples: Vec::new(),
            common: LabelSet::default(),
            own: true,
            others: false,
        }
    }

    /// Numbers of samples are less than this.
    pub(crate) fn len(&self) -> usize {
        self.source_len().saturating_add(self.samples.len())
    }

    fn source_len(&self) -> usize {
        self.source.as_ref().map_or(0, |source| source.len())
    }

    /// The sample of this number, if there is one: with exemplars only where somebody shows them.
    pub(crate) fn sample(&self, number: usize, exemplars: bool) -> Option<Cow<'_, Sample>> {
        match number.checked_sub(self.source_len()) {
            Some(there) => self.samples.get(there).map(Cow::Borrowed),
            None => self.source.as_ref()?.sample(number, exemplars).map(Cow::Owned),
        }
    }

    /// Those that a source makes, without exemplars.
    pub(crate) fn samples_of_source(&self) -> impl Iterator<Item = Sample> {
        let source = self.source.iter();
        source.flat_map(|source| (0..source.len()).filter_map(|number| source.sample(number, false)))
    }

    /// All samples, without exemplars.
    pub(crate) fn each(&self) -> impl Iterator<Item = Cow<'_, Sample>> {
        self.samples_of_source().map(Cow::Owned).chain(self.samples.iter().map(Cow::Borrowed))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.each().next().is_none()
    }

    pub(crate) fn push(&mut self, labels: LabelSet, value: SampleValue, created: f64) {
        self.samples.push(Sample { labels, value, created: Some(created), timestamp: None });
    }
}

impl Sample {
    /// A gauge: it has no beginning.
    pub(crate) fn gauge(labels: LabelSet, value: u64) -> Self {
        let value = SampleValue::Count { value, exemplar: None };
        Self { labels, value, created: None, timestamp: None }
    }

    /// Adds to a count.
    pub(crate) fn add(&mut self, n: u64) {
        if let SampleValue::Count { value, .. } = &mut self.value {
            *value = value.saturating_add(n);
        }
    }
}
