//! Sentry: the facts of a request when it fails and, if traced, a transaction for each request.

use ::axum::extract::Request;
use ::tower::ServiceBuilder;
use sentry::integrations::{
    actix::Sentry,
    tower::{NewSentryLayer, SentryHttpLayer},
};

use super::output::Errors;
use crate::drive::Drive;
use crate::settings::{Setting, actix, axum};

pub(super) static AXUM: Setting = Setting {
    name: "axum-sentry",
    bare: Some(&axum::BARE),
    run: |drive| {
        let errors = Errors::start();
        on_axum(drive, SentryHttpLayer::new());
        errors.check(0);
    },
};

pub(super) static AXUM_TRACED: Setting = Setting {
    name: "axum-sentry-traced",
    bare: Some(&axum::BARE),
    run: |drive| {
        let errors = Errors::traced();
        let requests = on_axum(drive, SentryHttpLayer::new().enable_transaction());
        errors.check(requests);
    },
};

pub(super) static ACTIX: Setting = Setting {
    name: "actix-sentry",
    bare: Some(&actix::BARE),
    run: |drive| {
        let errors = Errors::start();
        actix::drive(drive, || actix::app().wrap(Sentry::new()));
        errors.check(0);
    },
};

pub(super) static ACTIX_TRACED: Setting = Setting {
    name: "actix-sentry-traced",
    bare: Some(&actix::BARE),
    run: |drive| {
        let errors = Errors::traced();
        let requests = actix::drive(drive, || actix::app().wrap(Sentry::with_transaction()));
        errors.check(requests);
    },
};

fn on_axum(drive: Drive, http: SentryHttpLayer) -> u64 {
    axum::drive(drive, || {
        let layers = ServiceBuilder::new().layer(NewSentryLayer::<Request>::new_from_top()).layer(http);
        axum::served(axum::router().layer(layers))
    })
}
