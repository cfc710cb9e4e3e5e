//! The gatherer of all families that a page of metrics shows.

use std::sync::Arc;

use super::{MetricSink, family::Family, settings::Metrics};
use crate::base::build_error::BuildError;
#[cfg(not(feature = "prometheus"))]
use crate::base::sort::sort_by;
#[cfg(feature = "prometheus")]
use crate::outputs::metrics::registry::Bridge;

/// A gatherer of an observer's families: our own and, with the feature `prometheus`, the others of
/// the registry.
pub(crate) struct Gatherer {
    metrics: Arc<MetricSink>,
    #[cfg(feature = "prometheus")]
    bridge: Arc<Bridge>,
}

#[cfg(feature = "prometheus")]
impl Gatherer {
    /// Registers our metrics in the registry of the settings, or in a new one.
    ///
    /// # Errors
    /// The registry already contains our metrics, or another metric with one of their names.
    pub(crate) fn new(settings: &Metrics, metrics: Arc<MetricSink>) -> Result<Self, BuildError> {
        let registry = settings.registry.clone().unwrap_or_default();
        let bridge = Bridge::new(registry.clone(), Arc::clone(&metrics)).map_err(|refused| {
            let ours = metrics.families();
            let taken =
                registry.gather().into_iter().find(|family| ours.iter().any(|own| own.name == family.name()));
            let value = match taken {
                Some(family) => format!("a registry with the metric {}", family.name()),
                // A metric without samples is not in the list.
                None => refused.to_string(),
            };
            let expected =
                "a registry that no other observer uses and that contains no metric with one of our names";
            BuildError::new("registry", value, expected).with_source(refused)
        })?;
        Ok(Self { metrics, bridge: Arc::new(bridge) })
    }

    pub(crate) fn registry(&self) -> &prometheus::Registry {
        self.bridge.registry()
    }

    /// Returns all families of the registry with their current values, including ours, sorted by
    /// name.
    pub(crate) fn families(&self) -> Vec<Family> {
        self.bridge.families()
    }
}

/// Unregisters our metrics on drop, because the registry may live longer and be used by another
/// observer.
#[cfg(feature = "prometheus")]
impl Drop for Gatherer {
    fn drop(&mut self) {
        Bridge::unregister(Arc::clone(&self.bridge));
    }
}

#[cfg(not(feature = "prometheus"))]
impl Gatherer {
    /// # Errors
    /// Never fails without the feature `prometheus`.
    pub(crate) fn new(_: &Metrics, metrics: Arc<MetricSink>) -> Result<Self, BuildError> {
        Ok(Self { metrics })
    }

    /// Returns our families with their current values, sorted by name.
    pub(crate) fn families(&self) -> Vec<Family> {
        let mut families = self.metrics.families();
        families.retain(|family| !family.is_empty());
        sort_by(&mut families, |one, other| one.name.cmp(&other.name));
        families
    }
}

impl Gatherer {
    /// Counts something that cannot be shown. Warns at the first time.
    pub(crate) fn skipped(&self, what: &str) {
        self.metrics.skipped(what);
    }

    pub(crate) fn shows_created(&self) -> bool {
        self.metrics.created
    }
}
