//! Clients of awc: a middleware that observes each request that is sent.
//!
//! * `service`: the middleware's service and its future.
//! * `head`: the head of a request, for the core; the headers that a call adds.
//! * `body`: the response's body, which ends the call.
//! * `redirects`: the number of a request in a chain of redirects.

mod body;
mod head;
mod redirects;
mod service;

use std::sync::Arc;

use actix_service::Service;
use awc::{ConnectRequest, ConnectResponse, error::SendRequestError, middleware::Transform};
use obs_core::Observer;

pub use self::service::{AwcFuture, AwcService};

/// A middleware for clients of awc: each request that the client sends is a call.
///
/// ```
/// use obs_client::AwcMiddleware;
/// use obs_core::Observer;
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let client = awc::Client::builder()
///     .wrap(AwcMiddleware::new(&observer).named("payments"))
///     .finish();
/// # let _ = client;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
///
/// awc follows redirects outside of its middlewares. So each redirect is a call of its own, with
/// its own span id, and the headers of each one fit its host. A WebSocket is a call, too: it ends
/// with the handshake.
///
/// # Timeouts
/// awc's timeout of the whole request
/// ([`ClientBuilder::timeout`](awc::ClientBuilder::timeout)) is outside of its middlewares, too. It
/// drops the call, so the call ends as `cancelled`. The timeout of a connection
/// ([`Connector::timeout`](awc::Connector::timeout)) is known: `connect_timeout`.
#[derive(Clone, Debug)]
pub struct AwcMiddleware {
    observer: Observer,
    name: Option<Arc<str>>,
}

impl AwcMiddleware {
    /// Creates a middleware for this observer.
    #[must_use]
    pub fn new(observer: &Observer) -> Self {
        Self { observer: observer.clone(), name: None }
    }

    /// Sets the name of the dependency for all requests of the client. Without it, the name is the
    /// host of each request.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<S> Transform<S, ConnectRequest> for AwcMiddleware
where
    S: Service<ConnectRequest, Response = ConnectResponse, Error = SendRequestError>,
{
    type Transform = AwcService<S>;

    fn new_transform(self, service: S) -> AwcService<S> {
        AwcService::new(service, self.observer, self.name)
    }
}
