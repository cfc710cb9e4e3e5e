//! The gatherer of all families that a page of metrics shows.

use std::sync::Arc;

use super::{MetricSink, family::Family, settings::Metrics};
use crate::base::{build_error::BuildError, sort::sort_by};

#[cfg(feature = "prometheus")]
use super::{registered::Registered, registry::Bridge};

/// A gatherer of an observer's families: our own and, with the feature `prometheus`, the others of
/// the registry.
pub(crate) struct Gatherer {
    metrics: Arc<MetricSink>,
    #[cfg(feature = "prometheus")]
    registered: Registered,
}

impl Gatherer {
    /// Registers our metrics in the registry of the settings, if there is one.
    ///
    /// # Errors
    /// The registry already contains our metrics, or another metric with one of their names.
    #[cfg_attr(not(feature = "prometheus"), expect(unused_variables, reason = "only a registry is read"))]
    pub(crate) fn new(settings: &Metrics, metrics: Arc<MetricSink>) -> Result<Self, BuildError> {
        Ok(Self {
            #[cfg(feature = "prometheus")]
            registered: Registered::new(settings.registry.as_ref(), &metrics)?,
            metrics,
        })
    }

    /// Returns the registry. If the settings have none, the first call creates it.
    #[cfg(feature = "prometheus")]
    pub(crate) fn registry(&self) -> &prometheus::Registry {
        self.registered.get_or_init(|| Bridge::of_new_registry(&self.metrics)).registry()
    }

    /// Returns all families with their current values, sorted by name: ours, and the others of the
    /// registry.
    pub(crate) fn families(&self) -> Vec<Family> {
        #[cfg(feature = "prometheus")]
        if let Some(bridge) = self.registered.get() {
            return bridge.families();
        }
        let mut families = self.metrics.families();
        families.retain(|family| !family.is_empty());
        sort_by(&mut families, |one, other| one.name.cmp(&other.name));
        families
    }

    /// Counts something that cannot be shown. Warns at the first time.
    pub(crate) fn skipped(&self, what: &str) {
        self.metrics.skipped(what);
    }

    pub(crate) fn shows_created(&self) -> bool {
        self.metrics.created
    }
}
