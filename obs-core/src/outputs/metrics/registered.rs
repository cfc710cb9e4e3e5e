//! The registry that an observer may have.
//!
//! An observer gets its registry from [`Metrics::registry`](crate::Metrics::registry). Without this
//! setting, the first call of [`Observer::registry`](crate::Observer::registry) creates a registry.
//! Only these two methods refer to a function that creates a [`Bridge`]. All other code uses only
//! the trait [`RegisteredMetrics`]. So if a program calls neither method, the linker removes
//! [`Bridge`] and most of the crate `prometheus` from it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use prometheus::Registry;

use super::{MetricSink, family::Family, registry::Bridge};
use crate::base::build_error::BuildError;

/// The function that makes the bridge of the settings.
type Register = dyn Fn(&Arc<MetricSink>) -> Result<Arc<dyn RegisteredMetrics>, BuildError> + Send + Sync;

/// The registry of the settings.
#[derive(Clone)]
pub(crate) struct SetRegistry(Arc<Register>);

/// The bridge of an observer that has a registry.
pub(crate) struct Registered(OnceLock<Arc<dyn RegisteredMetrics>>);

/// Our metrics in a registry, together with the other metrics of the registry.
pub(crate) trait RegisteredMetrics: Send + Sync {
    fn registry(&self) -> &Registry;

    /// Returns all families of the registry with their current values, including ours, sorted by
    /// name.
    fn families(&self) -> Vec<Family>;

    /// Removes our metrics from the registry.
    fn unregister(self: Arc<Self>);
}

impl SetRegistry {
    pub(crate) fn new(registry: Registry) -> Self {
        Self(Arc::new(move |metrics| Bridge::of_used_registry(&registry, metrics)))
    }
}

impl fmt::Debug for SetRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registry")
    }
}

impl Registered {
    /// Registers our metrics in the registry of the settings, if there is one.
    ///
    /// # Errors
    /// The registry already contains our metrics, or another metric with one of their names.
    pub(crate) fn new(set: Option<&SetRegistry>, metrics: &Arc<MetricSink>) -> Result<Self, BuildError> {
        Ok(Self(match set {
            Some(SetRegistry(register)) => register(metrics)?.into(),
            None => OnceLock::new(),
        }))
    }

    pub(crate) fn get(&self) -> Option<&dyn RegisteredMetrics> {
        self.0.get().map(|bridge| &**bridge)
    }

    pub(crate) fn get_or_init(
        &self,
        new: impl FnOnce() -> Arc<dyn RegisteredMetrics>,
    ) -> &dyn RegisteredMetrics {
        &**self.0.get_or_init(new)
    }
}

/// Unregisters our metrics, because the registry may live longer and be used by another observer.
impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(bridge) = self.0.take() {
            bridge.unregister();
        }
    }
}
