//! The application on a small framework for tests. `docs/adapters.md` shows the adapter.

pub mod adapter;
pub mod framework;

use std::{convert::Infallible, future::Future, io, net, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use obs_core::{current, shutdown};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use self::{
    adapter::Observe,
    framework::{Body, Handler, Phase, Request, Response, Router},
};
use super::{INNER_TIMEOUT, Setup, spawned};
use crate::app::{self, ROUTES};

pub fn serve(
    listener: net::TcpListener,
    setup: Setup,
    signal: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send {
    spawned(listener, |listener| async move {
        let handler = handler(&setup);
        let (phase, watched) = watch::channel(Phase::Serve);
        let serve = framework::serve(listener, handler, watched);
        let enter = |next| match next {
            shutdown::Phase::Drain => _ = phase.send_replace(Phase::Drain),
            shutdown::Phase::Abort => _ = phase.send_replace(Phase::Abort),
            _ => {}
        };
        shutdown::run(&setup.observer, signal, serve, enter).await.expect("it serves");
    })
}

fn handler(setup: &Setup) -> Arc<dyn Handler> {
    let mut handler: Arc<dyn Handler> = Arc::new(Early(router(setup)));
    if let Some(inner) = setup.inner.as_ref().or(setup.twice.then_some(&setup.observer)) {
        handler = Arc::new(Observe::new(inner, handler));
    }
    handler = Arc::new(Observe::new(&setup.observer, handler));
    if let Some(timeout) = setup.outer_timeout {
        handler = Arc::new(Timeout(timeout, handler));
    }
    handler
}

fn router(setup: &Setup) -> Router {
    let mut router = Router::default();
    for (method, template) in ROUTES {
        let world = Arc::clone(&setup.world);
        router.add(method, template, move |_| {
            app::handle(Arc::clone(&world), template).map(into_response).boxed()
        });
    }
    router.add("GET", "/slow", |_| Box::pin(slow()));
    router.add("GET", "/number/{n}", |request| {
        let number = request.path.trim_start_matches("/number/").parse::<u32>();
        Box::pin(async move {
            match number {
                Ok(number) => Response::new(200, number.to_string()),
                Err(error) => {
                    current().error(&error);
                    Response::new(400, error.to_string())
                }
            }
        })
    });
    router.add("POST", "/read", |request| Box::pin(read(request)));
    router.add("GET", "/ws", |_| {
        let headers = [("connection", "upgrade"), ("upgrade", "websocket")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Box::pin(async { Response { headers, upgrade: Some(echo), ..Response::new(101, "") } })
    });
    if let Some((method, template)) = &setup.health_route {
        let method = if *method == http::Method::POST { "POST" } else { "GET" };
        router.add(method, template, |_| Box::pin(async { Response::new(200, "my own") }));
    }
    router
}

async fn slow() -> Response {
    let slow = tokio::time::timeout(INNER_TIMEOUT, std::future::pending::<Infallible>());
    let _ = slow.await;
    Response::new(408, "")
}

async fn read(request: Request) -> Response {
    let pieces: io::Result<Vec<_>> = request.body.pieces.try_collect().await;
    match pieces {
        Ok(pieces) => Response::new(200, pieces.concat().len().to_string()),
        Err(error) => Response::new(400, error.to_string()),
    }
}

/// Echoes one message over the upgraded connection.
fn echo(mut stream: TcpStream) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let mut message = [0; 4];
        if stream.read_exact(&mut message).await.is_ok() {
            let _ = stream.write_all(&message).await;
        }
    })
}

fn into_response(response: http::Response<app::Body>) -> Response {
    let (parts, body) = response.into_parts();
    // The server writes this header from the length of the body.
    let headers = parts.headers.iter().filter(|(name, _)| *name != "content-length");
    let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let body = match body {
        app::Body::Empty => Body::full(bytes::Bytes::new()),
        app::Body::Full(bytes) => Body::full(bytes),
        app::Body::Stream { frames, length } => {
            let pieces = frames.map_ok(|frame| frame.into_data().unwrap_or_default());
            Body { length, pieces: pieces.boxed() }
        }
    };
    Response { status: parts.status.as_u16(), headers, body, upgrade: None }
}

/// A middleware inside the observed one. It may panic in its call, or respond before the handler.
struct Early<H>(H);

impl<H: Handler> Handler for Early<H> {
    fn route(&self, path: &str) -> Option<&'static str> {
        self.0.route(path)
    }

    fn call(&self, request: Request) -> BoxFuture<'_, Response> {
        app::in_call(&request.path, |name| {
            let named = request.headers.iter().filter(|(other, _)| other == name);
            named.map(|(_, value)| value.clone()).collect()
        });
        match app::early(&request.path) {
            Some(response) => Box::pin(async { into_response(response) }),
            None => self.0.call(request),
        }
    }
}

/// A timeout outside the observed middleware.
struct Timeout<H>(Duration, H);

impl<H: Handler> Handler for Timeout<H> {
    fn route(&self, path: &str) -> Option<&'static str> {
        self.1.route(path)
    }

    fn call(&self, request: Request) -> BoxFuture<'_, Response> {
        let answer = tokio::time::timeout(self.0, self.1.call(request));
        Box::pin(async { answer.await.unwrap_or_else(|_| Response::new(504, "")) })
    }
}
