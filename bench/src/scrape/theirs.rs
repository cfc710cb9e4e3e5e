//! The same series in a registry of the `prometheus` crate, and the page of its encoder.

use std::time::Instant;

use obs_core::prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder, core::Collector,
};

use super::{BYTES, DURATION, REQUESTS, ROUTES, SECONDS, STATUSES, Send, route};

const LABELS: [&str; 3] = ["method", "endpoint", "status"];

/// A registry with only the duration, or with all metrics of requests that our page has.
pub(crate) fn registry(whole: bool) -> Registry {
    let registry = Registry::new();
    let duration = histogram(&registry, DURATION, &SECONDS);
    let more = whole.then(|| {
        let sizes = ["request", "response"]
            .map(|what| histogram(&registry, &format!("http_{what}_size_bytes"), &BYTES));
        let errors = ["method", "endpoint", "error_type"];
        (
            counter(&registry, "http_requests_total", &LABELS),
            sizes,
            counter(&registry, "http_request_errors_total", &errors),
        )
    });
    for number in 0..ROUTES {
        let route = route(number);
        for status in STATUSES.map(|status| status.to_string()) {
            let labels = ["GET", &route, &status];
            let began = Instant::now();
            for _ in 0..REQUESTS {
                // A real time, to have the same number of digits.
                duration.with_label_values(&labels).observe(began.elapsed().as_secs_f64());
                if let Some((requests, sizes, _)) = &more {
                    requests.with_label_values(&labels).inc();
                    sizes.iter().for_each(|size| size.with_label_values(&labels).observe(0.0));
                }
            }
        }
        if let Some((_, _, errors)) = &more {
            errors.with_label_values(&["GET", &route, "500"]).inc_by(REQUESTS as u64);
            errors.with_label_values(&["GET", &route, "panic"]).inc_by(0);
        }
    }
    registry
}

/// Makes a page as in the documentation of the crate: it is encoded into a vector, which is then
/// sent.
pub(super) fn page(registry: &Registry, send: Send<'_>) {
    let mut page = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut page).expect("writing to a vector cannot fail");
    send(&page);
}

fn histogram(registry: &Registry, name: &str, buckets: &[f64]) -> HistogramVec {
    let options = HistogramOpts::new(name, "Some help.").buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(options, &LABELS).expect("the names are valid"))
}

fn counter(registry: &Registry, name: &str, labels: &[&str]) -> IntCounterVec {
    registered(
        registry,
        IntCounterVec::new(Opts::new(name, "Some help."), labels).expect("the names are valid"),
    )
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("its name is new");
    collector
}
