//! tower-http: a request id, log lines, and a catch of panics.

use ::tower::ServiceBuilder;
use tower_http::{
    ServiceBuilderExt as _,
    catch_panic::CatchPanicLayer,
    request_id::MakeRequestUuid,
    trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer},
};
use tracing_subscriber::EnvFilter;

use super::output::Lines;
use crate::settings::{Setting, axum};

/// The number of lines for a request: at its start, at its response, and at the end of the response
/// body.
pub(super) const LINES: u64 = 3;

pub(super) static AXUM: Setting = Setting {
    name: "axum-tower-http",
    bare: Some(&axum::BARE),
    run: |drive| {
        let lines = Lines::default();
        tracing_subscriber::fmt()
            .json()
            .with_env_filter(EnvFilter::new("info,tower_http=debug"))
            .with_writer(lines.clone())
            .init();
        let requests = axum::drive(drive, || {
            // The order and the headers are those of the documentation of `tower_http::request_id`.
            let layers = ServiceBuilder::new()
                .set_x_request_id(MakeRequestUuid)
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(DefaultMakeSpan::new().include_headers(true))
                        .on_response(DefaultOnResponse::new().include_headers(true)),
                )
                .propagate_x_request_id()
                .layer(CatchPanicLayer::new());
            axum::served(axum::router().layer(layers))
        });
        lines.check(LINES * requests);
    },
};
