//! The kinds of clients.

use std::{error::Error, io, sync::Arc};

use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use obs_client::ClientExt;
use obs_core::Observer;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use tower::{Layer, Service, ServiceExt};

use super::exchange::{Answer, Exchange, Upload};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The name of the dependency of every call.
pub(crate) const NAME: &str = "payments";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// The client of hyper-util, below our tower layer.
    HyperUtil,
    /// A client that we build.
    Reqwest,
    Reqwest012,
    /// A request of a client that exists.
    Existing,
    Existing012,
    Middleware,
}

use ClientKind::*;

/// All kinds.
pub(crate) const ALL: [ClientKind; 6] = [HyperUtil, Reqwest, Reqwest012, Existing, Existing012, Middleware];
/// The kinds that follow redirects.
pub(crate) const REQWEST: [ClientKind; 5] = [Reqwest, Reqwest012, Existing, Existing012, Middleware];

impl ClientKind {
    /// Returns true if each attempt is a call. Otherwise, a call has all attempts of the client.
    pub(crate) fn sees_attempts(self) -> bool {
        matches!(self, HyperUtil | Reqwest | Reqwest012)
    }

    /// Sends a request and reads the response to its end.
    pub(crate) async fn send(self, observer: &Observer, exchange: &Exchange) -> Result<Answer, BoxError> {
        match self {
            HyperUtil => hyper_util(observer, exchange).await,
            Reqwest => v013::ours(observer, exchange).await,
            Reqwest012 => v012::ours(observer, exchange).await,
            Existing => v013::existing(exchange).await,
            Existing012 => v012::existing(exchange).await,
            Middleware => middleware(observer, exchange).await,
        }
    }
}

fn own_headers(exchange: &Exchange) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if exchange.own_headers {
        headers.insert("x-own", "kept".parse().unwrap());
        headers.insert("authorization", "Bearer hunter2".parse().unwrap());
    }
    headers
}

fn trust(exchange: &Exchange) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if let Some(authority) = &exchange.authority {
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn at_head(exchange: &Exchange) {
    if let Some(head) = &exchange.at_head {
        head.notify_one();
    }
}

async fn hyper_util(observer: &Observer, exchange: &Exchange) -> Result<Answer, BoxError> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(exchange.connect_timeout);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(trust(exchange))
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector);
    let client = Client::builder(TokioExecutor::new()).http2_only(exchange.http2).build(connector);
    let layer = observer.client_layer().named(NAME);

    let body: BoxBody<Bytes, BoxError> = match &exchange.upload {
        Upload::Whole(bytes) => Full::from(bytes.clone()).map_err(|never| match never {}).boxed(),
        Upload::Parts(parts) => {
            let frames = parts.clone().into_iter().map(|part| match part {
                Ok(part) => Ok(Frame::data(Bytes::from_static(part.as_bytes()))),
                Err(error) => Err(error.into()),
            });
            BodyExt::boxed(StreamBody::new(stream::iter(frames)))
        }
    };
    let mut request = http::Request::builder().method(&exchange.method).uri(&exchange.url).body(body)?;
    request.headers_mut().extend(own_headers(exchange));
    let response = match exchange.timeout {
        Some(timeout) => {
            let mut client = layer.layer(tower::timeout::Timeout::new(client, timeout));
            client.ready().await?.call(request).await?
        }
        None => layer.layer(client).call(request).await?,
    };
    at_head(exchange).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answer { status, body: String::from_utf8(body.to_vec())?, url: None })
}

macro_rules! reqwest {
    ($module:ident, $reqwest:ident, $observed:ident, $tls:ident) => {
        pub(crate) mod $module {
            use obs_client::$observed::{RequestBuilderExt, ReqwestExt};
            use $reqwest::{Body, Client, ClientBuilder, Proxy, Response};

            use super::*;

            pub(crate) fn builder(exchange: &Exchange) -> ClientBuilder {
                let mut builder = Client::builder().$tls(trust(exchange)).no_proxy();
                if let Some(timeout) = exchange.connect_timeout {
                    builder = builder.connect_timeout(timeout);
                }
                if let Some(timeout) = exchange.timeout {
                    builder = builder.timeout(timeout);
                }
                if let Some(proxy) = &exchange.proxy {
                    builder = builder.proxy(Proxy::all(proxy).unwrap());
                }
                if exchange.http2 { builder.http2_prior_knowledge() } else { builder }
            }

            pub(crate) fn body(exchange: &Exchange) -> Body {
                match &exchange.upload {
                    Upload::Whole(bytes) => bytes.clone().into(),
                    Upload::Parts(parts) => {
                        let parts = parts.clone().into_iter();
                        Body::wrap_stream(stream::iter(parts.map(|part| part.map_err(io::Error::other))))
                    }
                }
            }

            pub(crate) async fn read(exchange: &Exchange, response: Response) -> Result<Answer, BoxError> {
                at_head(exchange).await;
                let (status, url) = (response.status().as_u16(), Some(response.url().to_string()));
                Ok(Answer { status, body: response.text().await?, url })
            }

            pub(crate) async fn ours(observer: &Observer, exchange: &Exchange) -> Result<Answer, BoxError> {
                let client = observer.reqwest().client(builder(exchange)).named(NAME).build()?;
                let request = client.request(exchange.method.clone(), &exchange.url);
                let request = request.headers(own_headers(exchange)).body(body(exchange));
                read(exchange, request.send().await?).await
            }

            pub(crate) async fn existing(exchange: &Exchange) -> Result<Answer, BoxError> {
                let client = builder(exchange).build()?;
                let request = client.request(exchange.method.clone(), &exchange.url);
                let request = request.headers(own_headers(exchange)).body(body(exchange));
                read(exchange, request.observed(NAME).send().await?).await
            }
        }
    };
}

reqwest!(v013, reqwest, reqwest, tls_backend_preconfigured);
reqwest!(v012, reqwest_0_12, reqwest_0_12, use_preconfigured_tls);

async fn middleware(observer: &Observer, exchange: &Exchange) -> Result<Answer, BoxError> {
    let client = reqwest_middleware::ClientBuilder::new(v013::builder(exchange).build()?)
        .with(obs_client::reqwest::CallMiddleware::new(observer).named(NAME))
        .build();
    let request = client.request(exchange.method.clone(), &exchange.url);
    let request = request.headers(own_headers(exchange)).body(v013::body(exchange));
    v013::read(exchange, request.send().await?).await
}
