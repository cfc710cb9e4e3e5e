//! Tests of `obs_axum::serve`: information about connections, layers around the application, TLS,
//! and the parts of a `Router` that helpers need.

use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, connect_info::Connected},
    response::Response,
    routing::get,
};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use obs_axum::{AcceptedStream, ObservedApp, RouterExt};
use obs_core::shutdown::Server;
use obs_tests::{
    client::{Client, get as request},
    collector::tls,
    of_request::OfRequest as _,
    tls_listener::TlsListener,
    watch::{BOUND, Watch, until},
};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsConnector, client,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tower::{Layer, Service, ServiceExt};
use tower_http::normalize_path::NormalizePathLayer;

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    (listener, addr)
}

/// Runs a server in a task, until the sender is dropped.
fn spawn<S>(server: obs_core::shutdown::Serve<S>) -> (oneshot::Sender<()>, JoinHandle<()>)
where
    S: Server<Running: Send + 'static>,
{
    let (stop, stopping) = oneshot::channel::<()>();
    let running = server.with_signal(async { drop(stopping.await) }).into_future();
    (stop, tokio::spawn(async move { running.await.expect("it serves") }))
}

async fn ok() -> &'static str {
    "ok"
}

/// The two ends of a connection.
#[derive(Clone)]
struct Ends {
    client: SocketAddr,
    server: SocketAddr,
}

impl Connected<AcceptedStream<'_, TcpListener>> for Ends {
    fn connect_info(stream: AcceptedStream<'_, TcpListener>) -> Self {
        Self { client: *stream.remote_addr(), server: stream.io().local_addr().expect("an address") }
    }
}

#[tokio::test]
async fn handlers_get_information_of_their_own_about_the_connection() {
    async fn ends(
        ConnectInfo(ends): ConnectInfo<Ends>,
        ConnectInfo(peer): ConnectInfo<SocketAddr>,
    ) -> String {
        assert_eq!(ends.client, peer);
        format!("{} {}", ends.client, ends.server)
    }
    for http2 in [false, true] {
        let watch = Watch::default();
        let app = Router::new().route("/", get(ends)).observed(&watch.observer);
        let app = app.with_connect_info::<Ends>().layer(NormalizePathLayer::trim_trailing_slash());
        let (listener, addr) = listener().await;
        let (stop, stopped) = spawn(obs_axum::serve(listener, app));
        let mut client = Client::connect(addr, http2).await;
        let answer = client.send(request("/")).await.expect("an answer");
        let peer = watch.ended(1).await[0].head().peer.expect("the peer of the record");
        assert_eq!((answer.status, answer.text()), (200, &*format!("{peer} {addr}")));
        client.disconnect().await;
        drop(stop);
        stopped.await.expect("it ends");
    }
}

/// `NormalizePath` must be outside of the router, because a layer inside runs after routing.
#[tokio::test]
async fn a_layer_around_the_application_changes_paths_before_routing() {
    let watch = Watch::default();
    let app = || Router::new().route("/items/{id}", get(ok)).observed(&watch.observer);
    let normalize = NormalizePathLayer::trim_trailing_slash;
    let (listener_1, addr_1) = listener().await;
    let (listener_2, addr_2) = listener().await;
    let servers = [
        spawn(obs_axum::serve(listener_1, app().layer(normalize()))),
        spawn(obs_axum::serve_service(listener_2, normalize().layer(app()), &watch.observer)),
    ];
    for (n, addr) in [addr_1, addr_2].into_iter().enumerate() {
        let mut client = Client::connect(addr, false).await;
        assert_eq!(client.send(request("/items/7/")).await.expect("an answer").status, 200);
        let record = &watch.ended(n + 1).await[n];
        assert_eq!((record.route_label(), record.head().path()), ("/items/{id}", "/items/7"));
        assert!(record.head().peer.is_some());
        client.disconnect().await;
    }
    for (stop, stopped) in servers {
        drop(stop);
        stopped.await.expect("it ends");
    }
}

/// A service that must be polled until it is ready, and may fail. A clone of it is not ready.
struct Strict<S> {
    inner: S,
    ready: bool,
    polled: bool,
}

impl<S: Clone> Clone for Strict<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), ready: false, polled: false }
    }
}

impl<S> Service<Request> for Strict<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !std::mem::replace(&mut self.polled, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.ready = true;
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        assert!(self.ready, "called before it was ready");
        let broken = request.uri().path() == "/broken";
        let response = self.inner.call(request);
        Box::pin(async move {
            if broken {
                return Err("broken".into());
            }
            Ok(response.await?)
        })
    }
}

#[tokio::test]
async fn a_service_is_called_when_it_is_ready_and_its_error_closes_its_own_connection() {
    let watch = Watch::default();
    let app = Router::new().route("/", get(ok)).observed(&watch.observer);
    let (listener, addr) = listener().await;
    let strict = tower::layer::layer_fn(|inner| Strict { inner, ready: false, polled: false });
    let (stop, stopped) = spawn(obs_axum::serve(listener, app.layer(strict)));
    let mut broken = Client::connect(addr, false).await;
    let mut client = Client::connect(addr, false).await;
    assert_eq!(client.send(request("/")).await.expect("an answer").status, 200);
    assert!(broken.send(request("/broken")).await.is_err(), "the connection is closed");
    assert_eq!(client.send(request("/")).await.expect("an answer").status, 200);
    client.disconnect().await;
    drop(stop);
    stopped.await.expect("it ends");
}

/// Connects with TLS to a server whose certificate `authority` has signed.
async fn connect_tls(addr: SocketAddr, authority: &str) -> TokioIo<client::TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority.as_bytes()).expect("a certificate");
    roots.add(authority).expect("a valid authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has what they need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(addr).await.expect("connected");
    let name = ServerName::try_from("localhost").expect("a name");
    let connected = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    TokioIo::new(connected.expect("a handshake"))
}

impl Connected<AcceptedStream<'_, TlsListener>> for Ends {
    fn connect_info(stream: AcceptedStream<'_, TlsListener>) -> Self {
        let server = stream.io().get_ref().0.local_addr().expect("an address");
        Self { client: *stream.remote_addr(), server }
    }
}

#[tokio::test]
async fn serves_over_tls_and_drains() {
    let watch = Watch::with(|builder| builder.drain_timeout(BOUND));
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let app = Router::new()
        .route("/", get(|ConnectInfo(ends): ConnectInfo<Ends>| async move { ends.server.to_string() }))
        .route("/gate", get(|| async move { opened.acquire().await.map(|_| "opened").unwrap_or("closed") }))
        .observed(&watch.observer)
        .with_connect_info::<Ends>();
    let (tcp, addr) = listener().await;
    let (acceptor, authority) = tls::acceptor();
    let listener = TlsListener::new(tcp, acceptor).expect("an address");
    let (stop, stopped) = spawn(obs_axum::serve(listener, app));

    // A client that never completes its handshake delays no other.
    let mut stalled = TcpStream::connect(addr).await.expect("connected");
    stalled.write_all(&[22]).await.expect("sent");

    let io = connect_tls(addr, &authority).await;
    let (mut http1, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1");
    tokio::spawn(connection);
    let io = connect_tls(addr, &authority).await;
    let (mut http2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
    tokio::spawn(connection);
    let to = |path: &str| {
        let uri = format!("https://localhost{path}");
        http::Request::get(uri).header("host", "localhost").body(Body::empty()).expect("a request")
    };
    let answer = http1.send_request(to("/")).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), addr.to_string());
    let answer = http2.send_request(to("/")).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), addr.to_string());
    let records = watch.ended(2).await;
    assert!(records.iter().all(|record| record.head().peer.is_some()));

    let gated = tokio::spawn(async move { http1.send_request(to("/gate")).await });
    watch.running(1).await;
    drop(stop);
    until(|| watch.observer.is_draining()).await;
    gate.add_permits(1);
    let answer = gated.await.expect("it ends").expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "opened");
    stopped.await.expect("it ends");
    assert!(TcpStream::connect(addr).await.is_err(), "the port is closed");
}

/// The ways in which helpers call a `Router`.
#[tokio::test]
async fn helpers_call_the_application_as_they_call_a_router() {
    let watch = Watch::default();
    let app = || -> ObservedApp { Router::new().route("/", get(ok)).observed(&watch.observer) };
    let to_root = || Request::new(Body::empty());
    let mut responses = Vec::new();
    responses.push(app().oneshot(to_root()).await.expect("a response"));
    responses.push(app().layer(NormalizePathLayer::trim_trailing_slash()).oneshot(to_root()).await.unwrap());
    let mut into_service = app().into_service::<Body>();
    responses.push(into_service.ready().await.expect("ready").call(to_root()).await.expect("a response"));
    let mut borrowed = app();
    let mut as_service = borrowed.as_service();
    responses.push(as_service.ready().await.expect("ready").call(to_root()).await.expect("a response"));
    responses.push(Router::new().fallback_service(app()).oneshot(to_root()).await.expect("a response"));
    responses.push(Router::new().merge(app().into_router()).oneshot(to_root()).await.expect("a response"));
    let n = responses.len();
    for response in responses {
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("a body");
    }
    let records = watch.ended(n).await;
    assert_eq!(records.len(), n);
    let routes: Vec<_> = records.iter().map(|record| record.route_label()).collect();
    assert_eq!(routes.iter().filter(|route| **route == "/").count(), n, "{routes:?}");
}
