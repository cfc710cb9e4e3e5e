//! Tower services: the bare setting, and the functions that send requests.

use std::{convert::Infallible, fmt::Debug, future::poll_fn, pin::pin};

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty, Full};
use tower::{Service, service_fn};

use super::Setting;
use crate::{
    drive::{self, Drive},
    sample, single_thread,
};

pub(super) static BARE: Setting = Setting {
    name: "tower-bare",
    bare: None,
    run: |drive| {
        self::drive(drive, service());
    },
};

/// A service that only responds.
pub(super) fn service()
-> impl Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible> {
    service_fn(|_| async {
        drive::answered();
        Ok(Response::new(Full::from(sample::ANSWER)))
    })
}

/// Drives a service. Returns the number of requests that it has answered.
pub(super) fn drive<S, Req, Res>(drive: Drive, service: S) -> u64
where
    S: Service<Request<Req>, Response = Response<Res>>,
    S::Error: Debug,
    Req: Default,
    Res: Body,
    Res::Error: Debug,
{
    match drive {
        Drive::Requests(requests) => single_thread::block_on(send(service, requests)),
        Drive::Server => panic!("tower has no server"),
    }
    drive.requests()
}

/// Sends requests to a service without a socket. Reads each response like hyper: until its body
/// reports its end.
pub(super) async fn send<S, Req, Res>(mut service: S, requests: u64)
where
    S: Service<Request<Req>, Response = Response<Res>>,
    S::Error: Debug,
    Req: Default,
    Res: Body,
    Res::Error: Debug,
{
    for number in 0..requests {
        poll_fn(|cx| service.poll_ready(cx)).await.expect("the service is ready");
        let response = service.call(request(number)).await.expect("the service answers");
        assert!(response.status().is_success());
        let mut body = pin!(response.into_body());
        while !body.is_end_stream()
            && let Some(frame) = body.frame().await
        {
            frame.expect("the body has no error");
        }
    }
}

/// Makes a request from static parts, which costs little.
fn request<B: Default>(number: u64) -> Request<B> {
    let mut request = Request::new(B::default());
    *request.uri_mut() = Uri::from_static(sample::PATH);
    request.extensions_mut().insert(ConnectInfo(sample::PEER));
    for (name, value) in sample::headers(number) {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    request
}
