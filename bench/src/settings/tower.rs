//! Tower services: how they are sent requests, and the bare one.

use std::{convert::Infallible, fmt::Debug, future::poll_fn, pin::pin};

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty, Full};
use tower::{Service, service_fn};

use super::Setting;
use crate::{sample, single_thread};

pub(super) static BARE: Setting =
    Setting { name: "tower-bare", bare: None, run: |requests| run(service(), requests) };

/// A service that only answers.
pub(crate) fn service()
-> impl Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible> {
    service_fn(|_| async { Ok(Response::new(Full::from(sample::ANSWER))) })
}

/// Sends requests to a service, which gets no socket, and reads each answer to its end.
pub(crate) fn run<S, Req, Res>(mut service: S, requests: u64)
where
    S: Service<Request<Req>, Response = Response<Res>>,
    S::Error: Debug,
    Req: Default,
    Res: Body,
    Res::Error: Debug,
{
    single_thread::block_on(async {
        for number in 0..requests {
            poll_fn(|cx| service.poll_ready(cx)).await.expect("the service is ready");
            let response = service.call(request(number)).await.expect("the service answers");
            assert!(response.status().is_success());
            let mut body = pin!(response.into_body());
            while let Some(frame) = body.frame().await {
                frame.expect("the body has no error");
            }
        }
    });
}

/// Made of static parts, so that making it costs little.
fn request<B: Default>(number: u64) -> Request<B> {
    let mut request = Request::new(B::default());
    *request.uri_mut() = Uri::from_static(sample::PATH);
    request.extensions_mut().insert(ConnectInfo(sample::PEER));
    for (name, value) in sample::headers(number) {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    request
}
