//! tracing-actix-web: a span with its own id for each request, and here a line at its end.

use tracing_actix_web::TracingLogger;
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

use super::output::Lines;
use crate::settings::{Setting, actix};

pub(super) static ACTIX: Setting = Setting {
    name: "actix-tracing-actix-web",
    bare: Some(&actix::BARE),
    run: |drive| {
        let lines = Lines::default();
        tracing_subscriber::fmt()
            .json()
            .with_env_filter(EnvFilter::new("info"))
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(lines.clone())
            .init();
        let requests = actix::drive(drive, || actix::app().wrap(TracingLogger::default()));
        lines.check(requests);
    },
};
