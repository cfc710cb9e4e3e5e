//! The middleware of this repository, with metrics and events.

use std::{io, time::Duration};

use ::tower::Layer as _;
use obs_actix::Observe;
use obs_axum::{ObserverExt as _, RouterExt as _};
use obs_core::{
    EventOutput, Observer, ObserverBuilder,
    otel::{Otel, opentelemetry_sdk::trace::Sampler},
};

use super::{Setting, Share, actix, axum, tower};
use crate::{collector, drive::Drive};

pub(super) static AXUM: Setting = Setting {
    name: "axum-observed",
    bare: Some(&axum::BARE),
    run: |drive| checked(None, |observer| on_axum(drive, observer)),
};

/// With OpenTelemetry, of which no request is sampled.
pub(super) static AXUM_UNSAMPLED: Setting = Setting {
    name: "axum-unsampled",
    bare: Some(&axum::BARE),
    run: |drive| checked(Some(Share::None), |observer| on_axum(drive, observer)),
};

/// With OpenTelemetry, of which one request in a hundred is sampled and exported.
pub(super) static AXUM_ONE_PERCENT: Setting = Setting {
    name: "axum-one-percent",
    bare: Some(&axum::BARE),
    run: |drive| checked(Some(Share::OnePercent), |observer| on_axum(drive, observer)),
};

/// With OpenTelemetry, of which every request is sampled and exported.
pub(super) static AXUM_SAMPLED: Setting = Setting {
    name: "axum-sampled",
    bare: Some(&axum::BARE),
    run: |drive| checked(Some(Share::All), |observer| on_axum(drive, observer)),
};

pub(super) static TOWER: Setting = Setting {
    name: "tower-observed",
    bare: Some(&tower::BARE),
    run: |drive| checked(None, |observer| tower::drive(drive, observer.layer().layer(tower::service()))),
};

pub(super) static ACTIX: Setting = Setting {
    name: "actix-observed",
    bare: Some(&actix::BARE),
    run: |drive| checked(None, |observer| on_actix(drive, observer)),
};

pub(super) static ACTIX_UNSAMPLED: Setting = Setting {
    name: "actix-unsampled",
    bare: Some(&actix::BARE),
    run: |drive| checked(Some(Share::None), |observer| on_actix(drive, observer)),
};

pub(super) static ACTIX_ONE_PERCENT: Setting = Setting {
    name: "actix-one-percent",
    bare: Some(&actix::BARE),
    run: |drive| checked(Some(Share::OnePercent), |observer| on_actix(drive, observer)),
};

pub(super) static ACTIX_SAMPLED: Setting = Setting {
    name: "actix-sampled",
    bare: Some(&actix::BARE),
    run: |drive| checked(Some(Share::All), |observer| on_actix(drive, observer)),
};

fn on_axum(drive: Drive, observer: &Observer) -> u64 {
    axum::drive(drive, || axum::router().observed(observer))
}

fn on_actix(drive: Drive, observer: &Observer) -> u64 {
    let observer = observer.clone();
    actix::drive(drive, move || actix::app().wrap(Observe::new(&observer)))
}

/// Runs with an observer and checks that it did all of its work: what is lost costs nothing. With a share, spans
/// are on, and so many requests are sampled.
fn checked(share: Option<Share>, run: impl FnOnce(&Observer) -> u64) {
    // The events are made in full and thrown away by the thread that would write them. There is room for all of them,
    // should it have to wait for a core.
    let output = EventOutput::writer(io::sink()).capacity(64 << 20);
    let builder = Observer::builder("bench").no_environment().events(output);
    let builder = share.into_iter().fold(builder, traced);
    let observer = builder.build().expect("the settings are right");
    let requests = run(&observer);
    let report = observer.shutdown(Duration::from_secs(60));
    assert!(report.flushed && report.in_flight == 0, "requests are left: {report:?}");
    let events = report.output("events").unwrap_or_default();
    assert_eq!((events.delivered, events.lost), (requests, 0), "not every request has left its event");
    assert_eq!(report.output("spans").unwrap_or_default().lost, 0, "spans were lost");
    share.unwrap_or(Share::None).check(requests, report.output("spans").unwrap_or_default().delivered);
}

/// Spans go to a collector that takes them all, whatever callers have sampled.
pub(crate) fn traced(builder: ObserverBuilder, share: Share) -> ObserverBuilder {
    let sampler = match share {
        Share::None => Sampler::AlwaysOff,
        Share::OnePercent => Sampler::TraceIdRatioBased(0.01),
        Share::All => Sampler::AlwaysOn,
    };
    // Room for all of them, so that none is lost; and they are sent soon, so that under load each server sends its own in its turn.
    let otel = Otel::new().endpoint(collector::start()).queue(100_000, 1 << 30).sampler(sampler);
    builder.otel(otel.batch(Duration::from_millis(100), 512))
}
