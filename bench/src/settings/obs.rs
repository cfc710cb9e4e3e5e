//! The middleware of this repository, with metrics and events.

use std::{io, time::Duration};

use ::tower::Layer as _;
use obs_actix::Observe;
use obs_axum::{ObserveLayer, RouterExt as _};
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

/// axum with OpenTelemetry, where no request is sampled.
pub(super) static AXUM_UNSAMPLED: Setting = Setting {
    name: "axum-unsampled",
    bare: Some(&axum::BARE),
    run: |drive| checked(Some(Share::None), |observer| on_axum(drive, observer)),
};

/// axum with OpenTelemetry, where one request in a hundred is sampled and exported.
pub(super) static AXUM_ONE_PERCENT: Setting = Setting {
    name: "axum-one-percent",
    bare: Some(&axum::BARE),
    run: |drive| checked(Some(Share::OnePercent), |observer| on_axum(drive, observer)),
};

/// axum with OpenTelemetry, where one request in a hundred is sampled, and the collector is gone.
pub(super) static AXUM_NO_COLLECTOR: Setting = Setting {
    name: "axum-no-collector",
    bare: Some(&axum::BARE),
    run: |drive| checked(Some(Share::Undelivered), |observer| on_axum(drive, observer)),
};

/// axum with OpenTelemetry, where every request is sampled and exported.
pub(super) static AXUM_SAMPLED: Setting = Setting {
    name: "axum-sampled",
    bare: Some(&axum::BARE),
    run: |drive| checked(Some(Share::All), |observer| on_axum(drive, observer)),
};

pub(super) static TOWER: Setting = Setting {
    name: "tower-observed",
    bare: Some(&tower::BARE),
    run: |drive| {
        checked(None, |observer| tower::drive(drive, ObserveLayer::new(observer).layer(tower::service())))
    },
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

pub(super) static ACTIX_NO_COLLECTOR: Setting = Setting {
    name: "actix-no-collector",
    bare: Some(&actix::BARE),
    run: |drive| checked(Some(Share::Undelivered), |observer| on_actix(drive, observer)),
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

/// Runs with an observer, and checks that it did all its work. Dropped events would make the cost
/// too low. With a share, spans are on, and this share of requests is sampled.
fn checked(share: Option<Share>, run: impl FnOnce(&Observer) -> u64) {
    // The events are complete, and the thread that writes events discards them. The capacity is
    // enough for all events, in case the thread must wait for a core.
    let output = EventOutput::writer(io::sink()).capacity(64 << 20);
    let builder = Observer::builder("bench").no_environment().events(output);
    let builder = share.into_iter().fold(builder, traced);
    let observer = builder.build().expect("the settings are right");
    let requests = run(&observer);
    let collected = !matches!(share, Some(Share::Undelivered));
    let report = observer.shutdown(Duration::from_secs(if collected { 60 } else { 2 }));
    assert!(report.flushed == collected && report.in_flight == 0, "requests are left: {report:?}");
    let events = report.output("events").unwrap_or_default();
    assert_eq!((events.delivered, events.lost), (requests, 0), "not every request has an event");
    let spans = report.output("spans").unwrap_or_default();
    assert_eq!(spans.lost == 0, collected, "{} spans were lost", spans.lost);
    share.unwrap_or(Share::None).check(requests, spans.delivered);
}

/// Adds spans that go to a collector which accepts all of them, unless it is gone. The share
/// decides what is sampled, not the callers.
pub(crate) fn traced(builder: ObserverBuilder, share: Share) -> ObserverBuilder {
    let sampler = match share {
        Share::None => Sampler::AlwaysOff,
        Share::OnePercent | Share::Undelivered => Sampler::TraceIdRatioBased(0.01),
        Share::All => Sampler::AlwaysOn,
    };
    let collector =
        if matches!(share, Share::Undelivered) { collector::stopped() } else { collector::start() };
    // The queue is large enough for all spans, so none is dropped. The batch delay is short, so
    // under load each server sends its spans in its own turn.
    let otel = Otel::new().endpoint(collector).queue(100_000, 1 << 30).sampler(sampler);
    builder.otel(otel.batch(Duration::from_millis(100), 512))
}
