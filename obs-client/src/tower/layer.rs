//! The tower layer of outgoing calls.

use std::sync::Arc;

use http::Uri;
use obs_core::Observer;
use tower_layer::Layer;

use super::CallService;

/// The client layer of an observer.
pub trait ClientExt {
    /// Returns a tower layer that observes each request that its inner service sends.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::Full;
    /// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    /// use obs_client::ClientExt;
    /// use obs_core::Observer;
    /// use tower_layer::Layer;
    ///
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    /// let client = observer.client_layer().named("payments").layer(client);
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    fn client_layer(&self) -> CallLayer;
}

impl ClientExt for Observer {
    fn client_layer(&self) -> CallLayer {
        CallLayer { observer: self.clone(), name: None, origin: None }
    }
}

/// A tower layer that observes each request that its inner service sends: see
/// [`ClientExt::client_layer`].
#[derive(Clone, Debug)]
pub struct CallLayer {
    observer: Observer,
    name: Option<Arc<str>>,
    origin: Option<Uri>,
}

impl CallLayer {
    /// Sets the name of the dependency. Without it, the name is the host of each request.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the URL of the server, for a client whose requests have only a path. The channels of
    /// tonic are such clients: without this URL, the host of their calls is unknown.
    #[must_use]
    pub fn origin(mut self, url: &Uri) -> Self {
        self.origin = Some(url.clone());
        self
    }
}

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> CallService<S> {
        CallService::new(inner, self.observer.clone(), self.name.clone(), self.origin.clone())
    }
}
