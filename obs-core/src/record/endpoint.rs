//! The endpoints that the middleware answers itself.

/// One of the endpoints.
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
    /// `/metrics`: everything counted, and the user's own metrics, in Prometheus' text format 0.0.4 or as OpenMetrics 1.0,
    /// whichever `Accept` prefers; compressed if `Accept-Encoding` takes gzip; only the families that `name[]` parameters of
    /// the query name, if there are any.
    Metrics,
    /// `/health`: how the service is.
    Health,
    /// `/livez`: 200 as long as the process can answer.
    Livez,
    /// `/readyz`: 200 if new requests are welcome, 503 while draining.
    Readyz,
    /// An endpoint that an [extension](crate::output::Extension) has installed, by its number.
    Extension(usize),
}

impl Endpoint {
    pub(crate) const ALL: [Self; 4] = [Self::Metrics, Self::Health, Self::Livez, Self::Readyz];

    /// The path unless the builder sets another; none for the endpoint of an extension, which names its own.
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
