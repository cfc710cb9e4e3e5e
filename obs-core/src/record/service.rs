//! The service that is observed.

use std::{sync::Arc, time::SystemTime};

use crate::{base::clock::since_1970, record::request_id::RequestId};

/// The identity of the service. Each field is a resource attribute of OpenTelemetry.
///
/// ```
/// let observer = obs_core::Observer::builder("shop")
///     .no_environment()
///     .service_version("1.4.2")
///     .deployment_environment("production")
///     .build()?;
/// assert_eq!(observer.service().version.as_deref(), Some("1.4.2"));
/// assert!(!observer.service().instance.is_empty());
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// `service.name`
    pub name: Arc<str>,
    /// `service.version`
    pub version: Option<String>,
    /// `deployment.environment.name`
    pub environment: Option<String>,
    /// `service.instance.id`: a new UUID for each observer, unless it is set.
    pub instance: String,
}

impl Service {
    pub(crate) fn new(name: String) -> Self {
        let instance = RequestId::uuid_v7(since_1970(SystemTime::now())).to_string();
        Self { name: name.into(), version: None, environment: None, instance }
    }
}
