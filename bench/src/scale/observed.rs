//! The observer of a case, and what its handlers do.

use std::{io, sync::LazyLock, time::Duration};

use obs_core::{EventOutput, Metrics, Observer};

use super::Case;

/// The most that a request takes.
const FIELDS: usize = 64;

/// Fields are mostly named by literals, which live for ever.
static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| (0..FIELDS).map(|number| &*format!("field.number_{number}").leak()).collect());

/// Sets so many fields, by turns numbers and texts.
pub(super) fn set_fields(number: usize) {
    for (number, name) in NAMES.iter().copied().enumerate().take(number) {
        if number % 2 == 0 {
            obs_core::current().set(name, 4_711_u64);
        } else {
            obs_core::current().set(name, "standard");
        }
    }
}

/// Runs with an observer, and checks that it did all of its work: what is lost costs nothing.
pub(super) fn observed(case: Case, requests: u64, run: impl FnOnce(&Observer)) {
    // Room for the series of every route.
    let metrics = Metrics::new().series_limit(50_000);
    let builder = Observer::builder("bench").no_environment().metrics(metrics);
    let events = EventOutput::writer(io::sink()).capacity(64 * 1024 * 1024);
    let observer = builder.events(events).build().expect("the settings are right");
    run(&observer);
    let report = observer.shutdown(Duration::from_secs(60));
    let all = requests + case.paths().len() as u64;
    assert!(report.flushed && report.in_flight == 0, "requests are left: {report:?}");
    assert_eq!((report.written, report.dropped), (all, 0), "not every request has left its event");
}
