//! The middleware of this repository, with metrics and events.

use std::{io, time::Duration};

use ::tower::Layer as _;
use obs_actix::Observe;
use obs_axum::{ObserverExt as _, RouterExt as _};
use obs_core::{
    EventOutput, Observer, ObserverBuilder,
    otel::{Otel, opentelemetry_sdk::trace::Sampler},
};

use super::{Setting, actix, axum, tower};
use crate::collector;

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

/// With OpenTelemetry, of which no request is sampled.
pub(super) static AXUM_UNSAMPLED: Setting = Setting {
    name: "axum-unsampled",
    bare: Some(&axum::BARE),
    run: |requests| {
        traced(requests, 0, |observer| axum::run(axum::router().observed(observer), requests));
    },
};

/// With OpenTelemetry, of which every request is sampled and exported.
pub(super) static AXUM_SAMPLED: Setting = Setting {
    name: "axum-sampled",
    bare: Some(&axum::BARE),
    run: |requests| {
        traced(requests, requests, |observer| axum::run(axum::router().observed(observer), requests));
    },
};

pub(super) static ACTIX_UNSAMPLED: Setting = Setting {
    name: "actix-unsampled",
    bare: Some(&actix::BARE),
    run: |requests| {
        traced(requests, 0, |observer| actix::run(actix::app().wrap(Observe::new(observer)), requests));
    },
};

pub(super) static ACTIX_SAMPLED: Setting = Setting {
    name: "actix-sampled",
    bare: Some(&actix::BARE),
    run: |requests| {
        traced(requests, requests, |observer| {
            actix::run(actix::app().wrap(Observe::new(observer)), requests)
        });
    },
};

fn observed(requests: u64, run: impl FnOnce(&Observer)) {
    checked(requests, 0, |builder| builder, run);
}

/// Whatever callers have sampled. A collector takes what is exported.
fn traced(requests: u64, spans: u64, run: impl FnOnce(&Observer)) {
    let sampler = if spans > 0 { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
    // Room for all of them, so that none is lost.
    let otel = Otel::new().endpoint(collector::start()).queue(100_000, 1 << 30).sampler(sampler);
    checked(requests, spans, |builder| builder.otel(otel), run);
}

/// Runs with an observer and checks that it did all of its work: what is lost costs nothing.
fn checked(
    requests: u64,
    spans: u64,
    settings: impl FnOnce(ObserverBuilder) -> ObserverBuilder,
    run: impl FnOnce(&Observer),
) {
    // The events are made in full and thrown away by the thread that would write them.
    let builder = Observer::builder("bench").no_environment().events(EventOutput::writer(io::sink()));
    let observer = settings(builder).build().expect("the settings are right");
    run(&observer);
    let report = observer.shutdown(Duration::from_secs(60));
    assert!(report.flushed && report.in_flight == 0, "requests are left: {report:?}");
    assert_eq!((report.written, report.dropped), (requests, 0), "not every request has left its event");
    assert_eq!((report.spans_exported, report.spans_dropped), (spans, 0), "not every span was exported");
}
