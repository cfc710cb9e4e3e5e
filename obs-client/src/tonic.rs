//! Channels of tonic.

use obs_core::Observer;
use tonic::transport::{Channel, Endpoint};
use tower_layer::Layer as _;

use crate::{CallService, ClientExt as _};

/// An observed channel of tonic: see [`ChannelExt::channel`].
pub type ObservedChannel = CallService<Channel>;

/// The channels of an observer.
pub trait ChannelExt {
    /// Returns a channel to this endpoint, whose calls are observed. It connects at its first call.
    ///
    /// ```
    /// use obs_client::ChannelExt;
    /// use obs_core::Observer;
    /// use tonic::transport::Endpoint;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let observer = Observer::builder("shop").no_environment().build()?;
    /// let endpoint = Endpoint::from_static("http://127.0.0.1:3002");
    /// let channel = observer.channel(&endpoint, "inventory");
    /// // In generated code: `InventoryClient::new(channel)`.
    /// # drop(channel);
    /// # Ok(()) }
    /// ```
    ///
    /// A channel that exists is observed by the layer of
    /// [`client_layer`](crate::ClientExt::client_layer), with the URL of its endpoint as the
    /// [`origin`](crate::CallLayer::origin).
    fn channel(&self, endpoint: &Endpoint, name: &str) -> ObservedChannel;
}

impl ChannelExt for Observer {
    fn channel(&self, endpoint: &Endpoint, name: &str) -> ObservedChannel {
        self.client_layer().named(name).origin(endpoint.uri()).layer(endpoint.connect_lazy())
    }
}
