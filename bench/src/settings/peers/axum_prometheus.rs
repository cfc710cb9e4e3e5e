//! axum-prometheus: a counter, a histogram and a gauge by route, method and status.

use axum_prometheus::PrometheusMetricLayer;

use super::output::total;
use crate::settings::{Setting, axum};

pub(super) const TOTAL: &str = "axum_http_requests_total";

pub(super) static AXUM: Setting = Setting {
    name: "axum-prometheus",
    bare: Some(&axum::BARE),
    run: |drive| {
        let mut page = None;
        let requests = axum::drive(drive, || {
            let (layer, handle) = PrometheusMetricLayer::pair();
            page = Some(handle);
            axum::served(axum::router().layer(layer))
        });
        // The durations are aggregated only when the page is rendered.
        let page = page.expect("the application was made").render();
        assert_eq!(total(&page, TOTAL), requests, "not every request is in the metrics");
    },
};
