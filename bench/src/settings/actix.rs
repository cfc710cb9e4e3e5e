//! An actix-web application.

use actix_web::{
    App, Error, HttpServer,
    body::{MessageBody, to_bytes},
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    rt::System,
    test::{TestRequest, call_service, init_service},
    web::{self, Path},
};

use super::Setting;
use crate::{
    drive::{self, Drive},
    sample, single_thread,
};

pub(super) static BARE: Setting = Setting {
    name: "actix-bare",
    bare: None,
    run: |drive| {
        self::drive(drive, app);
    },
};

/// An application with a few routes, so the router has a choice. Only `/items/{id}` is called.
pub(crate) fn app() -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>,
> {
    App::new()
        .route("/", web::get().to(|| async { "shop" }))
        .route("/items", web::get().to(|| async { "items" }))
        .route(
            "/items/{id}",
            web::get().to(async |id: Path<u32>| {
                drive::answered();
                format!("item {id}")
            }),
        )
        .route("/items/{id}/reviews", web::get().to(|| async { "reviews" }))
        .route("/orders", web::post().to(|| async { "ordered" }))
}

/// Builds an application and drives it. Returns the number of requests that it has answered.
pub(super) fn drive<F, B>(drive: Drive, app: impl Fn() -> App<F> + Clone + Send + 'static) -> u64
where
    F: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    match drive {
        Drive::Requests(requests) => send(app, requests),
        Drive::Server => System::new().block_on(serve(app)),
    }
    drive.requests()
}

/// Sends requests to an application without a socket, and reads each response to its end.
pub(crate) fn send<F, B>(app: impl FnOnce() -> App<F>, requests: u64)
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
        let service = init_service(app()).await;
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

async fn serve<F, B>(app: impl Fn() -> App<F> + Clone + Send + 'static)
where
    F: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let server = HttpServer::new(app).workers(1).disable_signals();
    let server = server.listen(drive::listener()).expect("a listening socket").run();
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    drive::until_stopped().await;
    handle.stop(true).await;
    server.await.expect("no panic").expect("the server ends");
}
