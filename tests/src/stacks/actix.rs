//! The application on actix-web, under `obs_actix::serve`.

use std::{future::Future, net::TcpListener, sync::Arc};

use actix_web::{
    App, Either, HttpResponse, HttpServer,
    dev::{AppService, HttpServiceFactory, ResourceDef, Service, ServiceRequest, fn_service},
    error::{ErrorImATeapot, ErrorRequestTimeout},
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Condition,
    web,
};
use futures_util::{StreamExt, future::ready};
use obs_actix::Observe;
use tokio::sync::oneshot;

use super::{INNER_TIMEOUT, Setup};
use crate::{
    app::{self, Body, ROUTES},
    watch::BOUND,
};

pub fn serve(
    listener: TcpListener,
    setup: Setup,
    signal: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send {
    let (send, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let result = actix_web::rt::System::new().block_on(run(listener, setup, signal));
        let _ = send.send(result);
    });
    async move { ended.await.expect("the server does not panic").expect("it serves") }
}

async fn run(
    listener: TcpListener,
    setup: Setup,
    signal: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let observer = setup.observer.clone();
    let server = HttpServer::new(move || {
        let mut app = App::new();
        for (method, template) in ROUTES {
            let world = Arc::clone(&setup.world);
            let handler = move || {
                let world = Arc::clone(&world);
                async move { into_response(app::handle(world, template).await) }
            };
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let mut resource = web::resource(*template);
            if method == Method::GET {
                resource = resource.route(web::head().to(handler.clone()));
            }
            app = app.service(resource.route(web::method(method).to(handler)));
        }
        app = app
            .route("/slow", web::get().to(std::future::pending::<HttpResponse>))
            .route("/number/{n}", web::get().to(|n: web::Path<u32>| ready(n.to_string())))
            .route("/read", web::post().to(|body: web::Bytes| ready(body.len().to_string())))
            .route("/ws", web::get().to(echo))
            .service(Mounted);
        if let Some((method, template)) = &setup.health_route {
            let route = if *method == http::Method::POST { web::post() } else { web::get() };
            app = app.route(template, route.to(|| ready("my own")));
        }
        let timeout = setup.outer_timeout;
        let inner = setup.inner.clone().unwrap_or_else(|| setup.observer.clone());
        let second = Condition::new(setup.twice || setup.inner.is_some(), Observe::new(&inner));
        app.wrap_fn(|request, service| {
            app::in_call(request.path(), |name| {
                let values = request.headers().get_all(name);
                values.map(|value| value.to_str().expect("a text").to_owned()).collect()
            });
            let early = app::early(request.path());
            let broken = request.path() == "/service-error";
            let slow = request.path() == "/slow";
            let answer = match early {
                Some(response) => Either::Left(ready(Ok(request.into_response(into_response(response))))),
                None => Either::Right(service.call(request)),
            };
            async move {
                if broken {
                    return Err(ErrorImATeapot("a middleware's own error"));
                }
                match answer {
                    Either::Left(answer) => answer.await,
                    Either::Right(answer) if slow => {
                        let answer = actix_web::rt::time::timeout(INNER_TIMEOUT, answer).await;
                        answer.unwrap_or_else(|_| Err(ErrorRequestTimeout("too slow")))
                    }
                    Either::Right(answer) => answer.await,
                }
            }
        })
        .wrap(second)
        .wrap(Observe::new(&setup.observer))
        .wrap_fn(move |request, service| {
            let answer = service.call(request);
            async move {
                match timeout {
                    None => answer.await,
                    Some(timeout) => match actix_web::rt::time::timeout(timeout, answer).await {
                        Ok(answer) => answer,
                        Err(_) => Err(actix_web::error::ErrorGatewayTimeout("too slow")),
                    },
                }
            }
        })
    });
    // On a busy machine, a normal client may be slow.
    let server = server.client_request_timeout(BOUND).keep_alive(BOUND);
    let server = server.on_connect(obs_actix::on_connect(&observer));
    let server = server.workers(1).listen_auto_h2c(listener)?;
    obs_actix::serve(server, &observer).with_signal(signal).await
}

/// A service that takes all paths below its mount point, registered as `actix_files::Files` is.
struct Mounted;

impl HttpServiceFactory for Mounted {
    fn register(self, config: &mut AppService) {
        let service = fn_service(|request: ServiceRequest| {
            ready(Ok::<_, actix_web::Error>(request.into_response(HttpResponse::Ok().body("a file"))))
        });
        config.register_service(ResourceDef::root_prefix("/mounted"), None, service, None);
    }
}

/// Accepts an upgrade and echoes all bytes of the upgraded connection. actix represents the
/// connection by two bodies.
async fn echo(payload: web::Payload) -> HttpResponse {
    HttpResponse::build(StatusCode::SWITCHING_PROTOCOLS)
        .upgrade("websocket")
        .streaming(payload.map(|bytes| bytes.map_err(actix_web::Error::from)))
}

fn into_response(response: http::Response<Body>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    let mut builder = HttpResponse::build(StatusCode::from_u16(parts.status.as_u16()).unwrap());
    for (name, value) in &parts.headers {
        // actix writes this header from the size of the body.
        if name != "content-length" {
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap();
            builder.insert_header((name, HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        }
    }
    builder.body(body)
}
