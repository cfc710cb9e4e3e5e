//! The subscriber of a service that has none.

use std::{error::Error, fmt};

use obs_core::Observer;
use tracing_log::{AsLog, LogTracer};
use tracing_subscriber::layer::SubscriberExt;

use crate::{filter::most, layer::RequestLogs};

/// Installs the observer's logs as the subscriber of the process. Records of the crate `log` become
/// lines, too, and so do panics that no request records.
///
/// A service with other layers adds [`LogsExt::logs`](crate::LogsExt::logs) to its own registry
/// instead.
///
/// # Errors
/// The process already has a subscriber, or a logger of the crate `log`. In the second case, the
/// lines of `tracing` are written, and the records of `log` go to the other logger.
pub fn init(observer: &Observer) -> Result<(), InitError> {
    let layer = RequestLogs::new(observer);
    let refresh = std::sync::Arc::clone(&layer.refresh);
    let levels = observer.log_levels();
    let subscriber = tracing_subscriber::registry().with(layer.with_levels());
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|_| InitError("a subscriber of `tracing`"))?;
    LogTracer::builder()
        .with_max_level(most(&levels).as_log())
        .init()
        .map_err(|_| InitError("a logger of `log`"))?;
    refresh.include_log(levels);
    Ok(())
}

/// The process already has a subscriber or a logger.
///
/// ```
/// use obs_core::Observer;
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// assert!(obs_tracing::init(&observer).is_ok());
/// let error = obs_tracing::init(&observer).expect_err("there is one already");
/// assert_eq!(error.to_string(), "the process already has a subscriber of `tracing`");
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitError(&'static str);

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the process already has {}", self.0)
    }
}

impl Error for InitError {}
