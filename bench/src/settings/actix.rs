//! An actix-web application.

use actix_web::{
    App, Error,
    body::{MessageBody, to_bytes},
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    test::{TestRequest, call_service, init_service},
    web::{self, Path},
};

use super::Setting;
use crate::{sample, single_thread};

pub(super) static BARE: Setting =
    Setting { name: "actix-bare", bare: None, run: |requests| run(app(), requests) };

/// A few routes, so that there is something to choose from. Only `/items/{id}` is called.
pub(crate) fn app() -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>,
> {
    App::new()
        .route("/", web::get().to(|| async { "shop" }))
        .route("/items", web::get().to(|| async { "items" }))
        .route("/items/{id}", web::get().to(async |id: Path<u32>| format!("item {id}")))
        .route("/items/{id}/reviews", web::get().to(|| async { "reviews" }))
        .route("/orders", web::post().to(|| async { "ordered" }))
}

/// Sends requests to an application, which gets no socket, and reads each answer to its end.
pub(crate) fn run<F, B>(app: App<F>, requests: u64)
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
    single_thread::block_on(async {
        let service = init_service(app).await;
        for number in 0..requests {
            let mut request = TestRequest::with_uri(sample::PATH).peer_addr(sample::PEER);
            for (name, value) in sample::headers(number) {
                request =
                    request.insert_header((HeaderName::from_static(name), HeaderValue::from_static(value)));
            }
            let response = call_service(&service, request.to_request()).await;
            assert!(response.status().is_success());
            let body = to_bytes(response.into_body()).await;
            assert!(body.is_ok(), "the body has no error");
        }
    });
}
