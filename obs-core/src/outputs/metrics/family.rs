//! A family of metrics at a scrape. Our families and the user's have the same type, so one encoder
//! writes both.

use std::{borrow::Cow, sync::Arc};

use super::{exemplar::Exemplar, histogram::Unit};

/// The names and values of a sample's labels.
pub(crate) type LabelSet = Arc<[(Cow<'static, str>, String)]>;

/// A family: all samples of one name.
pub(crate) struct Family {
    pub(crate) name: Cow<'static, str>,
    pub(crate) help: Cow<'static, str>,
    pub(crate) kind: Kind,
    pub(crate) unit: Option<Unit>,
    /// The source of our samples of requests, which are created while the page is written.
    pub(crate) source: Option<Arc<dyn SampleSource>>,
    /// The samples that already exist.
    pub(crate) samples: Vec<Sample>,
    /// The labels that every sample has after its own labels.
    pub(crate) common: LabelSet,
    /// True for our families, false for the user's.
    pub(crate) own: bool,
    /// True if some samples are the user's.
    #[cfg_attr(not(feature = "prometheus"), allow(dead_code))]
    pub(crate) others: bool,
}

/// The kind of a family. Without the feature `prometheus`, only the kinds of our families exist.
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
    /// The time since which it counts, in seconds since 1970.
    pub(crate) created: Option<f64>,
    /// The time that the user's collector has set, in milliseconds since 1970.
    pub(crate) timestamp: Option<i64>,
}

/// The value of a sample. Without the feature `prometheus`, only the kinds of our families exist.
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
    /// The upper bounds of the buckets, without the last one, which is `+Inf`.
    pub(crate) bounds: Arc<[f64]>,
    /// The cumulative count of each bucket.
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: f64,
    /// The exemplars, which few buckets have: the number of the bucket, the exemplar, and its value
    /// in the unit of the family.
    pub(crate) exemplars: Vec<(usize, Exemplar, f64)>,
}

impl Histogram {
    pub(crate) fn count(&self) -> u64 {
        self.counts.last().copied().unwrap_or_default()
    }
}

/// A source that creates the samples of a family one by one.
pub(crate) trait SampleSource: Send + Sync {
    /// Returns the number of possible samples. The index of a sample is below it.
    fn len(&self) -> usize;

    /// Returns the sample with this index, if it exists. It has exemplars only if `exemplars` is
    /// true.
    fn sample(&self, number: usize, exemplars: bool) -> Option<Sample>;
}

impl Family {
    #[inline(never)]
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

    /// Returns the number of possible samples. The index of a sample is below it.
    pub(crate) fn len(&self) -> usize {
        self.source_len().saturating_add(self.samples.len())
    }

    fn source_len(&self) -> usize {
        self.source.as_ref().map_or(0, |source| source.len())
    }

    /// Returns the sample with this index, if it exists. It has exemplars only if `exemplars` is
    /// true.
    pub(crate) fn sample(&self, number: usize, exemplars: bool) -> Option<Cow<'_, Sample>> {
        match number.checked_sub(self.source_len()) {
            Some(there) => self.samples.get(there).map(Cow::Borrowed),
            None => self.source.as_ref()?.sample(number, exemplars).map(Cow::Owned),
        }
    }

    /// Returns the samples of the source, without exemplars.
    pub(crate) fn samples_of_source(&self) -> impl Iterator<Item = Sample> {
        (0..self.source_len()).filter_map(|number| self.source.as_ref()?.sample(number, false))
    }

    /// Returns all samples, without exemplars.
    pub(crate) fn each(&self) -> impl Iterator<Item = Cow<'_, Sample>> {
        (0..self.len()).filter_map(|number| self.sample(number, false))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.each().next().is_none()
    }

    pub(crate) fn push(&mut self, labels: LabelSet, value: SampleValue, created: f64) {
        self.samples.push(Sample { labels, value, created: Some(created), timestamp: None });
    }
}

impl Sample {
    /// Returns the sample of a gauge, which has no time of creation.
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
