//! The growth cases on actix.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use actix_web::{
    App, Error, HttpResponse,
    body::{BodySize, MessageBody},
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    test::{TestRequest, call_service, init_service},
    web::{self, Bytes},
};
use obs_actix::Observe;

use super::{Case, observed};
use crate::{sample, single_thread};

pub(super) fn run(case: Case, requests: u64) {
    let mut app = App::new();
    for path in case.paths() {
        app = app.route(&path, web::get().to(move || async move { answer(case) }));
    }
    if case.observed {
        observed::observed(case, requests, |observer| {
            send(case, app.wrap(Observe::new(observer)), requests);
        });
    } else {
        send(case, app, requests);
    }
}

fn answer(case: Case) -> HttpResponse {
    observed::set_fields(case.fields());
    match case.frames() {
        Some(left) => HttpResponse::Ok().body(Frames { left }),
        None => HttpResponse::Ok().body(sample::ANSWER),
    }
}

/// Warms up, and then sends this number of requests, to all routes in turn.
fn send<F, B>(case: Case, app: App<F>, requests: u64)
where
    F: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody,
{
    let paths = case.paths();
    single_thread::block_on(async {
        let service = init_service(app).await;
        for path in paths.iter().cycle().take(case.warm_up() + requests as usize) {
            let response = call_service(&service, TestRequest::with_uri(path).to_request()).await;
            assert!(response.status().is_success());
            let mut body = pin!(response.into_body());
            while let Some(frame) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
                assert!(frame.is_ok(), "the body has no error");
            }
        }
    });
}

/// A body of unknown length.
struct Frames {
    left: usize,
}

impl MessageBody for Frames {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.left.checked_sub(1).map(|left| {
            self.left = left;
            Ok(Bytes::from_static(sample::ANSWER.as_bytes()))
        }))
    }
}
