//! The application as a plain tower service under hyper: no axum, no router.

use std::{convert::Infallible, fmt, future::Future, net::TcpListener, pin::pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use obs_axum::{ObserveLayer, current};
use obs_core::shutdown;
use tokio::sync::watch;
use tower::{
    BoxError, Layer, ServiceExt, service_fn,
    util::{BoxCloneService, MapRequestLayer},
};

use super::{INNER_TIMEOUT, Setup, spawned, upgrade, values};
use crate::app::{self, Body, ROUTES};

type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;
type Handler = BoxCloneService<Request<Incoming>, Reply, Broken>;

/// Serves as a user without axum would: with hyper and the public parts of the shutdown.
pub fn serve(
    listener: TcpListener,
    setup: Setup,
    signal: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send {
    spawned(listener, |listener| async move {
        let service = service(&setup);
        let observer = setup.observer;
        let (stop, stopping) = watch::channel(0);
        let mut requested = pin!(shutdown::requested(&observer, signal));
        loop {
            let (stream, peer) = tokio::select! {
                accepted = listener.accept() => accepted.expect("accepts"),
                () = &mut requested => break,
            };
            let with_peer = move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(peer);
                request
            };
            let service = MapRequestLayer::new(with_peer).layer(service.clone());
            let mut stopping = stopping.clone();
            tokio::spawn(async move {
                let service = TowerToHyperService::new(service);
                let mut builder = Builder::new(TokioExecutor::new());
                builder.http2().enable_connect_protocol();
                let stream = TokioIo::new(stream);
                let mut connection = pin!(builder.serve_connection_with_upgrades(stream, service));
                tokio::select! {
                    _ = connection.as_mut() => return,
                    _ = stopping.wait_for(|phase| *phase > 0) => connection.as_mut().graceful_shutdown(),
                }
                tokio::select! {
                    _ = connection => {}
                    _ = stopping.wait_for(|phase| *phase > 1) => {}
                }
            });
        }
        drop((listener, stopping));
        stop.send_replace(1);
        if tokio::time::timeout(observer.drain().timeout, stop.closed()).await.is_err() {
            stop.send_replace(2);
            stop.closed().await;
        }
        crate::watch::until(|| observer.in_flight() == 0).await;
        shutdown::flush(&observer).await;
    })
}

/// An error of the service.
#[derive(Debug)]
struct Broken(&'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service is broken: {}", self.0)
    }
}

impl std::error::Error for Broken {}

fn service(setup: &Setup) -> Handler {
    let world = Arc::clone(&setup.world);
    let handler = service_fn(move |request: Request<Incoming>| {
        let world = Arc::clone(&world);
        async move {
            let path = request.uri().path().to_owned();
            if let Some(response) = app::early(&path) {
                current().set_route("/early");
                return Ok(response);
            }
            match path.as_str() {
                "/service-error" => {
                    current().set_route("/service-error");
                    return Err(Broken("no stock"));
                }
                "/slow" => {
                    current().set_route("/slow");
                    let slow = tokio::time::timeout(INNER_TIMEOUT, std::future::pending::<Infallible>());
                    let _ = slow.await;
                    return Ok(status(408));
                }
                "/read" => {
                    current().set_route("/read");
                    let body = request.into_body().collect().await.map_err(|_| Broken("half a body"))?;
                    let length = body.to_bytes().len().to_string();
                    return Ok(Response::new(Body::Full(length.into())));
                }
                "/ws" => {
                    current().set_route("/ws");
                    return Ok(upgrade(request));
                }
                _ => {}
            }
            let Some((method, template)) = find(&path) else { return Ok(status(404)) };
            current().set_route(template);
            if *method != request.method().as_str() && request.method() != http::Method::HEAD {
                return Ok(status(405));
            }
            let mut response = app::handle(world, template).await;
            if request.method() == http::Method::HEAD && request.version() == http::Version::HTTP_2 {
                // hyper drops the body of a response to HEAD over HTTP/1 only.
                *response.body_mut() = Body::Empty;
            }
            Ok(response)
        }
    });
    let handler = MapRequestLayer::new(|request: Request<Incoming>| {
        app::in_call(request.uri().path(), |name| values(request.headers(), name));
        request
    })
    .layer(handler);
    let inner = setup.inner.as_ref().or(setup.twice.then_some(&setup.observer));
    let handler = match inner {
        None => handler.map_response(boxed).boxed_clone(),
        Some(inner) => ObserveLayer::new(inner).layer(handler).map_response(boxed).boxed_clone(),
    };
    let observed = ObserveLayer::new(&setup.observer).layer(handler).map_response(boxed).boxed_clone();
    match setup.outer_timeout {
        None => observed,
        Some(timeout) => service_fn(move |request| {
            let answer = tokio::time::timeout(timeout, observed.clone().oneshot(request));
            async move { answer.await.unwrap_or(Err(Broken("too slow"))) }
        })
        .boxed_clone(),
    }
}

fn boxed<B>(response: Response<B>) -> Reply
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

fn status(status: u16) -> Response<Body> {
    Response::builder().status(status).body(Body::Empty).expect("a valid response")
}

/// Returns the route whose template matches the path.
fn find(path: &str) -> Option<&'static (&'static str, &'static str)> {
    let shape = |template: &str| {
        let (mut t, mut p) = (template.split('/'), path.split('/'));
        loop {
            match (t.next(), p.next()) {
                (None, None) => return true,
                (Some(t), Some(p)) if t == p || t.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    ROUTES.iter().find(|(_, template)| shape(template))
}
