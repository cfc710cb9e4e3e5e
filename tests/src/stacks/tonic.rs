//! A gRPC service on tonic's own server, and as a part of an axum router. It is written by hand, in
//! the form of generated code. Its messages are texts.

use std::{
    convert::Infallible,
    future::{Future, pending},
    net::TcpListener,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use futures_util::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use obs_axum::{ObserveLayer, RouterExt};
use obs_core::shutdown;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService},
    service::{InterceptorLayer, Routes},
    transport::server::{Server, TcpIncoming},
};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use super::{Setup, spawned};
use crate::app::{World, slowly};

/// Serves with tonic's server. The layer is added as in tonic's documentation.
pub fn serve(
    listener: TcpListener,
    setup: Setup,
    signal: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send {
    spawned(listener, |listener| async move {
        let observer = setup.observer;
        let requested = async { shutdown::requested(&observer, signal).await };
        let server = Server::builder()
            .layer(ObserveLayer::new(&observer))
            .layer(InterceptorLayer::new(admit))
            .add_service(Shop(setup.world))
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), requested);
        server.await.expect("it serves");
        shutdown::flush(&observer).await;
    })
}

/// Serves the same service as a router under `obs_axum::serve`.
pub fn serve_on_axum(
    listener: TcpListener,
    setup: Setup,
    signal: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send {
    spawned(listener, |listener| async move {
        let router = Routes::new(Shop(setup.world)).prepare().into_axum_router();
        let router = router.layer(InterceptorLayer::new(admit)).observed(&setup.observer);
        obs_axum::serve(listener, router).with_signal(signal).await.expect("it serves");
    })
}

/// An interceptor before the service. It rejects calls with `x-stranger`, also of methods that do
/// not exist.
fn admit(request: Request<()>) -> Result<Request<()>, Status> {
    let unknown = request.metadata().contains_key("x-stranger");
    if unknown { Err(Status::unauthenticated("who are you?")) } else { Ok(request) }
}

#[derive(Clone)]
struct Shop(Arc<World>);

impl NamedService for Shop {
    const NAME: &'static str = "test.Shop";
}

impl Service<http::Request<Body>> for Shop {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let world = Arc::clone(&self.0);
        let path = request.uri().path().to_owned();
        let mut grpc = Grpc::new(ProstCodec::<String, String>::default());
        Box::pin(async move {
            let method = path.rsplit('/').next().expect("a method");
            Ok(match method {
                "Get" | "Missing" | "Broken" | "Panic" | "Hang" => {
                    grpc.unary(service_fn(|request| get(&world, method, request)), request).await
                }
                "Join" => grpc.client_streaming(service_fn(join), request).await,
                "List" | "Break" | "BreakAfterOne" | "BreakAtOnce" | "PanicWithin" | "HangWithin" => {
                    grpc.server_streaming(service_fn(|_| list(method)), request).await
                }
                "Echo" => grpc.streaming(service_fn(echo), request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

async fn get(world: &World, method: &str, request: Request<String>) -> Result<Response<String>, Status> {
    match method {
        "Missing" => Err(Status::not_found("no such item")),
        "Broken" => Err(Status::internal("the disk is gone")),
        "Panic" => panic!("in a method"),
        "Hang" => {
            world.entered.fetch_add(1, Ordering::SeqCst);
            pending().await
        }
        _ => Ok(Response::new(request.into_inner())),
    }
}

async fn join(request: Request<Streaming<String>>) -> Result<Response<String>, Status> {
    let texts: Vec<_> = request.into_inner().try_collect().await?;
    Ok(Response::new(texts.join(" ")))
}

type Answers = BoxStream<'static, Result<String, Status>>;

async fn list(method: &str) -> Result<Response<Answers>, Status> {
    let ok = |text: &str| Ok(text.to_owned());
    let gone = || Err(Status::unavailable("going away"));
    let answers: Answers = match method {
        "Break" => slowly(stream::iter([ok("one"), ok("two"), gone()])).boxed(),
        "BreakAfterOne" => slowly(stream::iter([ok("one"), gone()])).boxed(),
        "BreakAtOnce" => stream::iter([gone()]).boxed(),
        "PanicWithin" => {
            // tonic sends the first message as soon as it must wait for the next.
            let panicking = stream::once(async {
                tokio::task::yield_now().await;
                panic!("in a stream")
            });
            stream::iter([ok("one")]).chain(panicking).boxed()
        }
        "HangWithin" => stream::iter([ok("one")]).chain(stream::pending()).boxed(),
        _ => slowly(stream::iter(["one", "two", "three"].map(ok))).boxed(),
    };
    Ok(Response::new(answers))
}

/// Returns each message as it arrives.
async fn echo(request: Request<Streaming<String>>) -> Result<Response<Answers>, Status> {
    Ok(Response::new(request.into_inner().boxed()))
}
