//! The peers combined as in their documentation, with the same features as our one middleware.

pub(super) mod actix;
pub(super) mod axum;

use sentry::integrations::tracing::{BreadcrumbLayer, ErrorLayer};
use tracing_subscriber::{Layer, Registry, filter::LevelFilter};

/// The layers of Sentry: `info` and above becomes breadcrumbs, errors become Sentry events.
fn sentry_layer() -> Box<dyn Layer<Registry> + Send + Sync> {
    let breadcrumbs = BreadcrumbLayer::new().with_filter(LevelFilter::INFO);
    let errors = ErrorLayer::new().with_filter(LevelFilter::ERROR);
    Box::new(breadcrumbs.and_then(errors))
}
