//! Other middleware, alone and combined: see `docs/settings.md` for the parts of each.
//!
//! Subscribers, recorders and providers are global, so a process runs only one of these settings.

mod actix_parts;
mod actix_web_prom;
mod axum_prometheus;
mod axum_tracing_opentelemetry;
mod calls;
mod careful;
mod documented;
mod lines;
mod opentelemetry_instrumentation;
mod output;
mod sentry;
mod tower_http;
mod tracing_actix_web;

use super::Setting;

pub(super) static ALL: &[&Setting] = &[
    &tower_http::AXUM,
    &axum_prometheus::AXUM,
    &axum_tracing_opentelemetry::AXUM,
    &opentelemetry_instrumentation::AXUM,
    &sentry::AXUM,
    &sentry::AXUM_TRACED,
    &documented::axum::AXUM,
    &careful::axum::AXUM,
    &tracing_actix_web::ACTIX,
    &actix_web_prom::ACTIX,
    &opentelemetry_instrumentation::ACTIX,
    &sentry::ACTIX,
    &sentry::ACTIX_TRACED,
    &documented::actix::ACTIX,
    &careful::actix::ACTIX,
    &lines::FMT_JSON,
    &lines::BUNYAN,
    &lines::JSON_SUBSCRIBER,
    &lines::LOGFORTH,
    &calls::BARE,
    &calls::OURS,
    &calls::REQWEST_TRACING,
];
