//! The middleware of this repository, with metrics and events.

use std::{io, time::Duration};

use ::tower::Layer as _;
use obs_actix::Observe;
use obs_axum::{ObserverExt as _, RouterExt as _};
use obs_core::{EventOutput, Observer};

use super::{Setting, actix, axum, tower};

pub(super) static AXUM: Setting = Setting {
    name: "axum-observed",
    bare: Some(&axum::BARE),
    run: |requests| observed(requests, |observer| axum::run(axum::router().observed(observer), requests)),
};

pub(super) static TOWER: Setting = Setting {
    name: "tower-observed",
    bare: Some(&tower::BARE),
    run: |requests| {
        observed(requests, |observer| tower::run(observer.layer().layer(tower::service()), requests));
    },
};

pub(super) static ACTIX: Setting = Setting {
    name: "actix-observed",
    bare: Some(&actix::BARE),
    run: |requests| {
        observed(requests, |observer| actix::run(actix::app().wrap(Observe::new(observer)), requests));
    },
};

/// Runs with an observer and checks that it did all of its work: what is lost costs nothing.
fn observed(requests: u64, run: impl FnOnce(&Observer)) {
    // The events are made in full and thrown away by the thread that would write them.
    let observer = Observer::builder("bench")
        .no_environment()
        .events(EventOutput::writer(io::sink()))
        .build()
        .expect("the settings are right");
    run(&observer);
    let report = observer.shutdown(Duration::from_secs(60));
    assert!(report.flushed && report.in_flight == 0, "requests are left: {report:?}");
    assert_eq!((report.written, report.dropped), (requests, 0), "not every request has left its event");
}
