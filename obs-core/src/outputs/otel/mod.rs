//! Spans with OpenTelemetry: their sampling, attributes, export.

pub(crate) mod attributes;
pub(crate) mod encoding;
pub(crate) mod ending;
pub(crate) mod environment;
pub(crate) mod ids;
pub(crate) mod install;
pub(crate) mod outlet;
pub(crate) mod pipeline;
pub(crate) mod queue;
pub(crate) mod sampling;
pub(crate) mod settings;
pub(crate) mod sink;
pub(crate) mod tracing;
pub(crate) mod waiting;

use std::time::Duration;

/// How long a flush may take that nobody has given a deadline.
const FLUSH: Duration = Duration::from_secs(5);
