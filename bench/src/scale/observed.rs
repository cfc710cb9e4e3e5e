//! The observer of a growth case, and the work of its handlers.

use std::{io, mem, sync::LazyLock, time::Duration};

use obs_core::{EventOutput, Metrics, Observer};

use super::Case;
use crate::settings::{Share, obs};

const OF: [&str; 8] = ["user", "cart", "order", "payment", "search", "stock", "parcel", "invoice"];
const WHAT: [&str; 8] = ["count", "total", "plan", "kind", "region", "currency", "state", "attempts"];

/// The names of fields, as many as a request can have. They are leaked, because in applications
/// most names are literals.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let names = WHAT.iter().flat_map(|what| OF.map(|of| format!("{of}.{what}")));
    names.map(|name| &*name.leak()).collect()
});

/// Sets this number of fields, numbers and texts in turn.
pub(super) fn set_fields(number: usize) {
    for (number, name) in NAMES.iter().copied().enumerate().take(number) {
        if number % 2 == 0 {
            obs_core::current().set(name, 4_711_u64);
        } else {
            obs_core::current().set(name, "standard");
        }
    }
}

/// Runs with an observer, and checks that it did all its work. Dropped events would make the cost
/// too low.
pub(super) fn observed(case: Case, requests: u64, run: impl FnOnce(&Observer)) {
    // Enough for the series of every route.
    let metrics = Metrics::new().series_limit(50_000);
    let builder = Observer::builder("bench").no_environment().metrics(metrics);
    let events = EventOutput::writer(io::sink()).capacity(64 * 1024 * 1024);
    let builder = if case.is_traced() { obs::traced(builder, Share::None) } else { builder };
    let observer = builder.events(events).build().expect("the settings are right");
    run(&observer);
    let report = observer.shutdown(Duration::from_secs(60));
    let all = requests + case.warm_up() as u64;
    assert!(report.flushed && report.in_flight == 0, "requests are left: {report:?}");
    let events = report.output("events").unwrap_or_default();
    assert_eq!((events.delivered, events.lost), (all, 0), "not every request has an event");
    // Dropping ten thousand routes is much work, and at random this thread or one of the observer
    // would do it. It must not be counted.
    mem::forget(observer);
}
