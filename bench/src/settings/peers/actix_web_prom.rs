//! actix-web-prom: a counter and a histogram by route, method and status.

use actix_web_prom::{PrometheusMetrics, PrometheusMetricsBuilder};

use crate::settings::{Setting, actix};

pub(super) static ACTIX: Setting = Setting {
    name: "actix-web-prom",
    bare: Some(&actix::BARE),
    run: |drive| {
        let metrics = metrics();
        let requests = {
            let metrics = metrics.clone();
            actix::drive(drive, move || actix::app().wrap(metrics.clone()))
        };
        check(&metrics, requests);
    },
};

pub(super) fn metrics() -> PrometheusMetrics {
    PrometheusMetricsBuilder::new("bench").endpoint("/metrics").build().expect("the settings are right")
}

/// Checks that every request is in the metrics.
pub(super) fn check(metrics: &PrometheusMetrics, requests: u64) {
    let families = metrics.registry.gather();
    let family = families.iter().find(|family| family.name() == "bench_http_requests_total");
    let counters = family.into_iter().flat_map(|family| family.get_metric());
    let total: f64 = counters.map(|metric| metric.get_counter().get_value()).sum();
    assert_eq!(total, requests as f64, "not every request is in the metrics");
}
