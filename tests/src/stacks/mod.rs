//! The application on each stack, and the capabilities of each framework.

pub mod actix;
pub mod axum;
pub mod tiny;
pub mod tonic;
pub mod tower;

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use http::{Request, Response};
use hyper_util::rt::TokioIo;
use obs_core::Observer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
};

use crate::{
    app::{Body, World},
    client::Client,
    watch::Watch,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    Axum,
    /// A plain tower service under hyper.
    Tower,
    Actix,
    /// A small framework for tests. Its adapter is the example of `docs/adapters.md`.
    Tiny,
    /// A gRPC service on tonic's server. It has its own methods instead of the routes of the
    /// application.
    Tonic,
    /// The same gRPC service on an axum router.
    TonicOnAxum,
}

/// A framework and the protocol of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    pub framework: Framework,
    pub http2: bool,
}

/// The capabilities of frameworks. The cases use them where a framework cannot do or see something.
/// `docs/endings.md` lists the same limits.
impl Stack {
    /// Returns `true` if the framework drops the handler when the client disconnects.
    #[must_use]
    pub fn detects_disconnects_in_handler(self) -> bool {
        self.framework != Framework::Actix
    }

    /// Returns `true` if a service may return an error instead of a response. An axum router
    /// cannot, and actix converts the error to a response.
    #[must_use]
    pub fn has_service_errors(self) -> bool {
        self.framework == Framework::Tower
    }

    /// Returns `true` if the framework has a router, which sets the route. Without a router, the
    /// handler sets it.
    #[must_use]
    pub fn has_router(self) -> bool {
        self.framework != Framework::Tower
    }
}

/// The settings of a server.
#[derive(Clone)]
pub struct Setup {
    pub observer: Observer,
    pub world: Arc<World>,
    /// A second observer, with a layer inside the layer of the first.
    pub inner: Option<Observer>,
    /// Adds a second layer of the same observer, inside the first.
    pub twice: bool,
    /// Adds a route of the application that matches `/health`: its method and its template.
    pub health_route: Option<(http::Method, &'static str)>,
    /// A timeout outside the observed layer.
    pub outer_timeout: Option<Duration>,
}

impl Setup {
    #[must_use]
    pub fn new(watch: &Watch) -> Self {
        Self::of(&watch.observer)
    }

    /// The settings for an observer without a [`Watch`].
    #[must_use]
    pub fn of(observer: &Observer) -> Self {
        Self {
            observer: observer.clone(),
            world: World::new(),
            inner: None,
            twice: false,
            health_route: None,
            outer_timeout: None,
        }
    }

    #[must_use]
    pub fn inner(mut self, observer: &Observer) -> Self {
        self.inner = Some(observer.clone());
        self
    }

    /// Makes `/call` call the server at `addr`.
    #[must_use]
    pub fn calls(self, addr: SocketAddr) -> Self {
        self.world.downstream.set(addr).expect("set once");
        self
    }

    #[must_use]
    pub fn twice(mut self) -> Self {
        self.twice = true;
        self
    }

    #[must_use]
    pub fn outer_timeout(mut self, timeout: Duration) -> Self {
        self.outer_timeout = Some(timeout);
        self
    }

    #[must_use]
    pub fn health_route(mut self, method: http::Method, template: &'static str) -> Self {
        self.health_route = Some((method, template));
        self
    }
}

/// A running server.
pub struct Server {
    pub addr: SocketAddr,
    pub world: Arc<World>,
    http2: bool,
    stop: Option<oneshot::Sender<()>>,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Stack {
    pub async fn serve(self, setup: Setup) -> Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a non-blocking socket");
        let addr = listener.local_addr().expect("an address");
        let world = Arc::clone(&setup.world);
        let (stop, stopping) = oneshot::channel();
        let signal = async move { drop(stopping.await) };
        let stopped: Pin<Box<dyn Future<Output = ()> + Send>> = match self.framework {
            Framework::Axum => Box::pin(axum::serve(listener, setup, signal)),
            Framework::Tower => Box::pin(tower::serve(listener, setup, signal)),
            Framework::Actix => Box::pin(actix::serve(listener, setup, signal)),
            Framework::Tiny => Box::pin(tiny::serve(listener, setup, signal)),
            Framework::Tonic => Box::pin(tonic::serve(listener, setup, signal)),
            Framework::TonicOnAxum => Box::pin(tonic::serve_on_axum(listener, setup, signal)),
        };
        Server { addr, world, http2: self.http2, stop: Some(stop), stopped }
    }
}

impl Server {
    pub async fn connect(&self) -> Client {
        Client::connect(self.addr, self.http2).await
    }

    /// Requests the shutdown, as SIGTERM does.
    pub fn request_shutdown(&mut self) {
        self.stop.take();
    }

    /// Shuts the server down and waits for its end. Nothing is recorded after this.
    pub async fn stop(mut self) {
        self.request_shutdown();
        self.stopped.await;
    }
}

/// The timeout of the inner timeout layer, for `/slow`.
pub const INNER_TIMEOUT: Duration = Duration::from_millis(20);

/// Serves in its own task, like the `main` of a service. The returned future ends with the task.
fn spawned<F: Future<Output = ()> + Send>(
    listener: TcpListener,
    serve: impl FnOnce(tokio::net::TcpListener) -> F + Send + 'static,
) -> impl Future<Output = ()> + Send {
    let server = tokio::spawn(async move {
        serve(tokio::net::TcpListener::from_std(listener).expect("a listener")).await;
    });
    async move { server.await.expect("the server does not panic") }
}

/// All values of a header.
fn values(headers: &http::HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|value| value.to_str().expect("a text").to_owned()).collect()
}

/// Accepts an upgrade and echoes one message over the upgraded connection.
fn upgrade<B: Send + 'static>(mut request: Request<B>) -> Response<Body> {
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut message = [0; 4];
        if stream.read_exact(&mut message).await.is_ok() {
            let _ = stream.write_all(&message).await;
        }
    });
    let response = if request.method() == http::Method::CONNECT {
        Response::builder()
    } else {
        Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket")
    };
    response.body(Body::Empty).expect("a valid response")
}
