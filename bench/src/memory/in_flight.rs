//! Memory of each request that is in its handler.

use std::{
    convert::Infallible,
    future::pending,
    pin::Pin,
    task::{Context, Waker},
};

use actix_web::{
    App,
    dev::{Service as _, ServiceFactory, ServiceRequest, ServiceResponse},
    test::{TestRequest, init_service},
    web,
};
use axum::{Router, body::Body, extract::Request, response::Response, routing::get};
use obs_actix::Observe;
use obs_axum::RouterExt as _;

use super::{Report, bytes_each, observer};
use crate::single_thread;

const REQUESTS: usize = 1_000;

/// The target in bytes, without the memory of the framework.
const TARGET: f64 = 1_500.0;

pub(super) fn measure(report: &mut Report) {
    let router = || Router::new().route("/wait", get(async || pending::<&str>().await));
    let bare = on_axum(router().with_state(()));
    let observed = on_axum(router().observed(&observer()));
    row(report, "axum", bare, observed);
    let app = || App::new().route("/wait", web::get().to(async || pending::<&str>().await));
    let bare = on_actix(app());
    let observed = on_actix(app().wrap(Observe::new(&observer())));
    row(report, "actix", bare, observed);
}

fn row(report: &mut Report, framework: &str, bare: f64, observed: f64) {
    Report::value(&format!("a request that waits in its handler, {framework} alone"), bare);
    report.at_most(&format!("the same, what the middleware adds on {framework}"), observed - bare, TARGET);
}

fn on_axum(mut app: impl tower::Service<Request, Response = Response, Error = Infallible>) -> f64 {
    let mut begin = || {
        let request = Request::builder().uri("/wait").body(Body::empty()).expect("a valid request");
        waiting(Box::pin(app.call(request)))
    };
    // The first request creates what exists once, such as the series of the route.
    let _first = begin();
    bytes_each(REQUESTS, || (0..REQUESTS).map(|_| begin()).collect::<Vec<_>>()).1
}

fn on_actix<F, B>(app: App<F>) -> f64
where
    F: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: actix_web::body::MessageBody,
{
    single_thread::block_on(async {
        let service = init_service(app).await;
        let begin = || waiting(Box::pin(service.call(TestRequest::with_uri("/wait").to_request())));
        let _first = begin();
        bytes_each(REQUESTS, || (0..REQUESTS).map(|_| begin()).collect::<Vec<_>>()).1
    })
}

/// Polls once, until the handler waits.
fn waiting<F: Future>(mut future: Pin<Box<F>>) -> Pin<Box<F>> {
    let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "the handler waits");
    future
}
