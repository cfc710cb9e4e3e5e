use actix_web::middleware::from_fn;
use sentry::integrations::actix::Sentry;
use tracing_actix_web::{DefaultRootSpanBuilder, TracingLogger};
use tracing_subscriber::{
    EnvFilter,
    fmt::{self, format::FmtSpan},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::sentry_layer;
use crate::settings::{
    Setting, Share, actix,
    peers::{
        actix_parts::{Rooted, answer_id, catch_panic},
        actix_web_prom,
        output::{Errors, Lines, Spans},
    },
};

pub(in crate::settings::peers) static ACTIX: Setting = Setting {
    name: "actix-documented",
    bare: Some(&actix::BARE),
    run: |drive| {
        let (errors, spans, lines) = (Errors::start(), Spans::start(Share::All), Lines::default());
        tracing_subscriber::registry()
            .with(sentry_layer())
            .with(EnvFilter::new("info"))
            .with(fmt::layer().json().with_span_events(FmtSpan::CLOSE).with_writer(lines.clone()))
            .with(tracing_opentelemetry::layer().with_tracer(spans.tracer()))
            .init();
        let metrics = actix_web_prom::metrics();
        let requests = {
            let metrics = metrics.clone();
            actix::drive(drive, move || {
                actix::app()
                    .wrap(from_fn(catch_panic))
                    .wrap(from_fn(answer_id))
                    .wrap(metrics.clone())
                    .wrap(TracingLogger::<Rooted<DefaultRootSpanBuilder>>::new())
                    .wrap(Sentry::new())
            })
        };
        lines.check(requests);
        spans.check(requests);
        errors.check(0);
        actix_web_prom::check(&metrics, requests);
    },
};
