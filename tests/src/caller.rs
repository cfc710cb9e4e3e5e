//! A gRPC client.

use std::{convert::Infallible, net::SocketAddr};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use http_body_util::BodyExt;
use tonic::{
    IntoRequest, IntoStreamingRequest, Response, Status, Streaming, body::Body, client::Grpc,
    transport::Channel,
};
use tonic_prost::ProstCodec;
use tower::{BoxError, Service, ServiceExt, service_fn, util::BoxCloneService};

use crate::client::Client;

/// A client that calls the methods of `test.Shop`. Dropping the result of a call cancels the call.
/// Dropping the client closes the connection.
#[derive(Clone)]
pub struct Caller(Grpc<BoxCloneService<http::Request<Body>, http::Response<Body>, BoxError>>);

impl Caller {
    /// Connects with tonic's own client.
    pub async fn connect(addr: SocketAddr) -> Self {
        let endpoint = Channel::from_shared(format!("http://{addr}")).expect("a URI");
        let channel = endpoint.connect().await.expect("the server listens");
        Self(Grpc::new(channel.map_err(Into::into).boxed_clone()))
    }

    /// A client whose calls go through this service.
    #[must_use]
    pub fn over<S, B>(service: S) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = service.map_response(|response| response.map(Body::new)).map_err(Into::into);
        Self(Grpc::new(service.boxed_clone()))
    }

    /// A client that sends its deadlines but does not enforce them itself, on an HTTP/2 connection.
    #[must_use]
    pub fn without_a_clock(client: &Client) -> Self {
        let sender = client.http2_sender().expect("HTTP/2");
        let service = service_fn(move |request: http::Request<Body>| {
            let mut sender = sender.clone();
            let infallible = |status| -> Infallible { panic!("a request's body failed: {status}") };
            let request = request.map(|body| body.map_err(infallible).boxed_unsync());
            async move { Ok(sender.send_request(request).await?.map(Body::new)) }
        });
        let origin = http::Uri::from_static("http://test");
        Self(Grpc::with_origin(service.boxed_clone(), origin))
    }

    /// Makes a unary call.
    ///
    /// # Errors
    /// The status, if it is not OK.
    pub async fn unary(
        &mut self,
        method: &str,
        request: impl IntoRequest<String>,
    ) -> Result<Response<String>, Status> {
        self.0.ready().await.expect("a connection");
        self.0.unary(request.into_request(), path(method), ProstCodec::default()).await
    }

    /// Makes a bidirectional streaming call.
    ///
    /// # Errors
    /// The status, if it comes instead of a response.
    pub async fn stream(
        &mut self,
        method: &str,
        requests: impl IntoStreamingRequest<
            Stream = impl Stream<Item = String> + Send + 'static,
            Message = String,
        >,
    ) -> Result<Streaming<String>, Status> {
        self.0.ready().await.expect("a connection");
        let requests = requests.into_streaming_request();
        let answer = self.0.streaming(requests, path(method), ProstCodec::default()).await?;
        Ok(answer.into_inner())
    }

    /// Makes a bidirectional streaming call, and reads the response to its end.
    ///
    /// # Errors
    /// The status, if it is not OK.
    pub async fn read(
        &mut self,
        method: &str,
        requests: impl Stream<Item = String> + Send + 'static,
    ) -> Result<Vec<String>, Status> {
        self.stream(method, requests).await?.try_collect().await
    }
}

/// The path of a method of `test.Shop`. A name with a slash is already a whole path.
fn path(method: &str) -> http::uri::PathAndQuery {
    let path = if method.contains('/') { method.to_owned() } else { format!("/test.Shop/{method}") };
    path.parse().expect("a path")
}
