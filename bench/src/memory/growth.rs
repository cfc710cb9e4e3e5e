//! Memory after a million requests: it must not grow.

use obs_actix::Observe;
use obs_axum::RouterExt as _;

use super::{Report, observer, settled};
use crate::settings::{actix, axum};

const FIRST: u64 = 100_000;
const MORE: u64 = 1_000_000;

/// The tolerance in bytes. The two vectors of an output's buffer have up to 64 KiB each, depending
/// on the waiting events. This is less than one byte for seven requests.
const TOLERANCE: f64 = 128.0 * 1024.0;

pub(super) fn measure(report: &mut Report) {
    let observer = observer();
    let router = axum::router().observed(&observer);
    grown(report, "axum", |requests| axum::send(|| router.clone(), requests));
    let observer = self::observer();
    // Each run builds and drops the application. The observer keeps the memory of the middleware.
    grown(report, "actix", |requests| {
        actix::send(|| actix::app().wrap(Observe::new(&observer)), requests);
    });
}

fn grown(report: &mut Report, framework: &str, run: impl Fn(u64)) {
    run(FIRST);
    let before = settled();
    run(MORE);
    let grown = (settled() - before).max(0);
    report.at_most(&format!("{MORE} more requests after {FIRST}, {framework}"), grown as f64, TOLERANCE);
}
