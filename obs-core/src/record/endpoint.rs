//! The endpoints that the middleware answers itself.

/// An endpoint that the middleware answers itself.
///
/// ```
/// use obs_core::{Endpoint, Observer, adapter::RequestHead};
/// let observer = Observer::builder("shop")
///     .no_environment()
///     .endpoint_path(Endpoint::Metrics, "/internal/metrics")
///     .build()?;
/// assert!(observer.endpoint(&RequestHead::new("GET", "/internal/metrics", &())).is_some());
/// assert!(observer.endpoint(&RequestHead::new("GET", "/metrics", &())).is_none());
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/metrics`: all metrics, ours and the application's own.
    ///
    /// * Format: Prometheus' text format 0.0.4 or OpenMetrics 1.0, as `Accept` prefers.
    /// * Compression: gzip, if `Accept-Encoding` allows it.
    /// * `name[]` parameters of the query restrict the page to the families that they name.
    Metrics,
    /// `/health`: the same as `/readyz`.
    Health,
    /// `/livez`: 200 as long as the process can answer.
    Livez,
    /// `/readyz`: 200 while the service accepts traffic; 503 while it starts or drains, or if a
    /// check fails.
    Readyz,
    /// An endpoint that an [extension](crate::output::Extension) installed, by its number.
    Extension(usize),
}

impl Endpoint {
    pub(crate) const ALL: [Self; 4] = [Self::Metrics, Self::Health, Self::Livez, Self::Readyz];

    /// The default path. It is empty for an endpoint of an extension, which names its own path.
    #[must_use]
    pub const fn default_path(self) -> &'static str {
        match self {
            Self::Metrics => "/metrics",
            Self::Health => "/health",
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
            Self::Extension(_) => "",
        }
    }
}
