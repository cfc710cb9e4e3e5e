//! The metrics of an observer.

use super::Observer;
use crate::outputs::metrics::timers::Timer;

impl Observer {
    /// The registry with this observer's metrics. `/metrics` shows all metrics that are registered
    /// there.
    ///
    /// ```
    /// use obs_core::{Observer, prometheus::IntCounter};
    ///
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// let orders = IntCounter::new("shop_orders_total", "Orders that were placed.").unwrap();
    /// observer.registry().register(Box::new(orders.clone())).unwrap();
    /// orders.inc();
    /// assert!(observer.metrics_text().contains("shop_orders_total 1"));
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[cfg(feature = "prometheus")]
    #[must_use]
    pub fn registry(&self) -> &prometheus::Registry {
        self.0.scrapes.registry()
    }

    /// Creates the metrics of a route with value 0, before its first request, so that rates include
    /// that request. With OpenTelemetry's names, these metrics have the labels of a request over
    /// HTTP/1.1 without TLS.
    ///
    /// ```
    /// let observer = obs_core::Observer::builder("shop").no_environment().build()?;
    /// observer.route("GET", "/items/{id}").route("POST", "/orders");
    /// let line = r#"http_requests_total{method="POST",endpoint="/orders",status="200"} 0"#;
    /// assert!(observer.metrics_text().contains(line));
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    pub fn route(&self, method: &str, template: &str) -> &Self {
        let method = self.0.policy.known_methods.parse(&method.to_ascii_uppercase());
        if let Some(route) = self.0.policy.routes.intern(template) {
            self.0.metrics.declare(method, &route);
        }
        self
    }

    /// Returns the timer of this name, which measures a part of the program: as a guard, a closure
    /// or a future. Its histogram is `timer_duration_seconds{timer="cache_fill"}`.
    ///
    /// The exemplar of a bucket is the work in which the time was measured. The name is static
    /// because it becomes the label of a metric.
    ///
    /// ```
    /// let observer = obs_core::Observer::builder("shop").no_environment().build()?;
    /// let filled = observer.timer("cache_fill").run(|| 3 * 7);
    /// assert_eq!(filled, 21);
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use]
    pub fn timer(&self, name: &'static str) -> Timer {
        self.0.metrics.timers().get(name)
    }

    /// The metrics in Prometheus' text format, as `/metrics` shows them. The calling thread writes
    /// the whole text.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        String::from_utf8_lossy(&self.0.scrapes.text()).into_owned()
    }
}
