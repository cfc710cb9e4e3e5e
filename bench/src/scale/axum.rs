//! The growth cases on axum.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    response::{IntoResponse, Response},
    routing::get,
};
use http_body::Frame;
use http_body_util::BodyExt as _;
use obs_axum::RouterExt as _;
use tower::Service;

use super::{Case, observed};
use crate::{sample, single_thread};

pub(super) fn run(case: Case, requests: u64) {
    let mut router = Router::new();
    for path in case.paths() {
        router = router.route(&path, get(async move || answer(case)));
    }
    if case.observed {
        observed::observed(case, requests, |observer| send(case, router.observed(observer), requests));
    } else {
        send(case, router.with_state(()), requests);
    }
}

fn answer(case: Case) -> Response {
    observed::set_fields(case.fields());
    match case.frames() {
        Some(left) => Body::new(Frames { left }).into_response(),
        None => sample::ANSWER.into_response(),
    }
}

/// Warms up, and then sends this number of requests, to all routes in turn.
fn send(case: Case, mut app: impl Service<Request, Response = Response, Error = Infallible>, requests: u64) {
    let paths = case.paths();
    single_thread::block_on(async {
        for path in paths.iter().cycle().take(case.warm_up() + requests as usize) {
            let request = Request::builder().uri(path.as_str()).body(Body::empty()).expect("a valid request");
            let response = app.call(request).await.unwrap_or_else(|never| match never {});
            assert!(response.status().is_success());
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                frame.expect("the body has no error");
            }
        }
    });
}

/// A body of unknown length.
struct Frames {
    left: usize,
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.left.checked_sub(1).map(|left| {
            self.left = left;
            Ok(Frame::data(Bytes::from_static(sample::ANSWER.as_bytes())))
        }))
    }
}
