//! The peers put together as their documentation says, to get what one middleware of ours gives.

pub(super) mod actix;
pub(super) mod axum;

use sentry::integrations::tracing::{BreadcrumbLayer, ErrorLayer};
use tracing_subscriber::{Layer, Registry, filter::LevelFilter};

/// `info` and above becomes breadcrumbs, errors become Sentry's.
fn sentry_layer() -> Box<dyn Layer<Registry> + Send + Sync> {
    let breadcrumbs = BreadcrumbLayer::new().with_filter(LevelFilter::INFO);
    let errors = ErrorLayer::new().with_filter(LevelFilter::ERROR);
    Box::new(breadcrumbs.and_then(errors))
}
