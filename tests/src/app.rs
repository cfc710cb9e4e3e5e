//! The application under test, independent of any framework: routes, handlers and bodies.

use std::{
    error::Error,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use obs_core::{
    current,
    otel::{
        opentelemetry::{
            Context as OtelContext,
            trace::{FutureExt as _, TraceContextExt as _, Tracer as _},
        },
        opentelemetry_sdk::trace::SdkTracer,
    },
};
use tokio::sync::Semaphore;

use crate::{
    client::{self, Client},
    lines,
};

/// The method and the route of each handler that is the same on all stacks.
pub const ROUTES: &[(&str, &str)] = &[
    ("GET", "/plain"),
    ("GET", "/empty"),
    ("GET", "/no-content"),
    ("GET", "/not-modified"),
    ("GET", "/items/{id}"),
    ("GET", "/outer/{a}/inner/{b}"),
    ("GET", "/teapot"),
    ("GET", "/fail"),
    ("GET", "/fail-kind"),
    ("GET", "/chunked"),
    ("GET", "/sized"),
    ("GET", "/short"),
    ("GET", "/trailers"),
    ("GET", "/sse"),
    ("GET", "/body-error"),
    ("GET", "/panic-call"),
    ("GET", "/panic-before"),
    ("GET", "/panic-after"),
    ("GET", "/panic-body"),
    ("GET", "/panic-drop"),
    ("GET", "/panic-body-drop"),
    ("GET", "/gate"),
    ("GET", "/outer-timeout"),
    ("GET", "/inner-timeout"),
    ("GET", "/early"),
    ("GET", "/service-error"),
    ("GET", "/endless"),
    ("GET", "/huge"),
    ("GET", "/late"),
    ("GET", "/call"),
    ("GET", "/nested"),
    ("GET", "/logs"),
    ("GET", "/logs-fail"),
    ("GET", "/logs-panic"),
    ("GET", "/logs-pair"),
    ("GET", "/logs-pair-fail"),
    ("GET", "/logs-task-panic"),
    ("GET", "/seen"),
    ("GET", "/own-id"),
    ("GET", "/canary/{id}"),
    ("GET", "/canary-panic/{id}"),
    ("POST", "/upload"),
];

/// The state that handlers and cases share.
pub struct World {
    /// The permits for which `/gate` waits.
    pub gate: Semaphore,
    /// The number of handlers of `/gate`, `/panic-drop` and `/endless` that have started.
    pub entered: AtomicUsize,
    /// The address of the server that `/call` calls.
    pub downstream: OnceLock<SocketAddr>,
    /// The tracer that starts the spans of `/nested`.
    pub tracer: OnceLock<SdkTracer>,
}

impl World {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Semaphore::new(0),
            entered: AtomicUsize::new(0),
            downstream: OnceLock::new(),
            tracer: OnceLock::new(),
        })
    }
}

/// An error with a source, to test the chain of sources.
#[derive(Debug)]
pub struct OutOfStock;

impl fmt::Display for OutOfStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of stock")
    }
}

impl Error for OutOfStock {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&fmt::Error)
    }
}

/// Secrets: an email address, a token, a card number, a bank account, credentials, and a password.
/// Only the name of its field shows that the password is a secret.
pub const CANARIES: [&str; 6] = [
    "canary@example.com",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.dGhpcy1pcy1hLXNpZ25hdHVyZQ",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "Bearer canary-0123456789abcdef",
    "hunter2-canary",
];

/// Sets secrets in each place where a handler can set a text.
fn set_secrets() {
    let [email, jwt, card, iban, bearer, password] = CANARIES;
    let request = current();
    request.user(email);
    request.flag("mail", email);
    request.set("order.password", password);
    request.set("note", format!("paid with {card} from {iban}"));
    request.set("upstream", format!("sent {bearer}, got {jwt}"));
    drop(request.call("mail").operation(format!("SEND {email}")));
    request.error(&io::Error::other(format!("no mail to {email}")));
    lines::write_secrets();
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

pub const HUGE: usize = 50 * 1024 * 1024;

/// Panics in `call` itself, before it returns a future, or records the ids that the request's
/// headers have there. Middlewares run this first.
pub fn in_call(path: &str, headers: impl Fn(&str) -> Vec<String>) {
    assert!(path != "/panic-call", "in call");
    if path == "/seen" {
        current().set("seen.id", headers("x-request-id").join("|"));
        current().set("seen.correlation", headers("x-correlation-id").join("|"));
    }
}

/// The response of a middleware inside the observed layer, sent before the handler runs.
#[must_use]
pub fn early(path: &str) -> Option<Response<Body>> {
    (path == "/early").then(|| reply(401, Body::text("who are you?")))
}

/// Returns the response of the route `template`.
pub async fn handle(world: Arc<World>, template: &'static str) -> Response<Body> {
    match template {
        "/empty" => reply(200, Body::Empty),
        "/no-content" => reply(204, Body::Empty),
        "/not-modified" => reply(304, Body::Empty),
        "/teapot" => reply(418, Body::text("short and stout")),
        "/fail" => {
            current().error(&OutOfStock);
            reply(500, Body::text("sorry"))
        }
        "/canary/{id}" => {
            set_secrets();
            reply(500, Body::text("sorry"))
        }
        "/canary-panic/{id}" => {
            set_secrets();
            let [email, jwt, card, ..] = CANARIES;
            panic!("{email} has {card} and {jwt}")
        }
        "/own-id" => with_header(reply(200, Body::text("hello")), "x-request-id", "of-the-response"),
        "/fail-kind" => {
            current().error_kind("bank_is_closed");
            current().error(&OutOfStock);
            reply(502, Body::text("sorry"))
        }
        "/chunked" => reply(200, Body::pieces(["one", "two", "three"])),
        "/sized" => with_header(reply(200, Body::sized(11, ["one", "two", "three"])), "content-length", "11"),
        "/short" => with_header(reply(200, Body::sized(11, ["one", "two"])), "content-length", "11"),
        "/trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-checksum", http::HeaderValue::from_static("42"));
            let pieces = ["one", "two"].map(|piece| Ok(Frame::data(Bytes::from(piece))));
            let all = stream::iter(pieces).chain(stream::once(async { Ok(Frame::trailers(trailers)) }));
            reply(200, Body::stream(all))
        }
        "/sse" => {
            let body = Body::pieces(["data: 1\n\n", "data: 2\n\n"]);
            with_header(reply(200, body), "content-type", "text/event-stream")
        }
        "/body-error" => {
            let failing = stream::iter([data("one"), Err(io::Error::other("the disk is gone"))]);
            reply(200, Body::stream(slowly(failing)))
        }
        "/panic-before" => panic!("before an await"),
        "/panic-after" => {
            tokio::task::yield_now().await;
            panic!("after an await");
        }
        "/panic-body" => {
            let panicking = stream::once(async { panic!("in the body") });
            reply(200, Body::stream(slowly(stream::iter([data("one")]).chain(panicking))))
        }
        "/panic-drop" => {
            let _guard = PanicsOnDrop;
            world.entered.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        }
        "/panic-body-drop" => {
            let guard = PanicsOnDrop;
            let pieces = stream::iter([data("one")]).map(move |piece| {
                let _ = &guard;
                piece
            });
            reply(200, Body::stream(pieces))
        }
        "/gate" => {
            world.entered.fetch_add(1, Ordering::SeqCst);
            let _permit = world.gate.acquire().await;
            reply(200, Body::text("opened"))
        }
        "/outer-timeout" | "/inner-timeout" => std::future::pending().await,
        "/endless" => {
            world.entered.fetch_add(1, Ordering::SeqCst);
            let frame = Bytes::from(vec![b'x'; 1024]);
            let frames = stream::repeat_with(move || Ok(Frame::data(frame.clone())));
            reply(200, Body::stream(slowly(frames)))
        }
        "/huge" => reply(200, Body::Full(Bytes::from(vec![b'x'; HUGE]))),
        "/call" => {
            let addr = *world.downstream.get().expect("a downstream");
            let mut request = client::get("/plain");
            current().inject_http(request.headers_mut());
            let mut client = Client::connect(addr, false).await;
            let answer = client.send(request).await.expect("an answer");
            client.disconnect().await;
            reply(answer.status, Body::text("called"))
        }
        "/nested" => {
            nested(world.tracer.get().expect("a tracer")).await;
            reply(200, Body::text("nested"))
        }
        "/logs-fail" => {
            lines::write_steps().await;
            reply(500, Body::text("sorry"))
        }
        "/logs-panic" => {
            lines::write_steps().await;
            panic!("after the steps");
        }
        "/logs-pair" | "/logs-pair-fail" => {
            lines::write_pair().await;
            reply(if template == "/logs-pair" { 200 } else { 500 }, Body::text("logged"))
        }
        "/logs-task-panic" => {
            let task = current().scope(async { panic!("{}", lines::TASK_PANIC) });
            let panicked: Result<(), _> = tokio::spawn(task).await;
            reply(if panicked.is_err() { 200 } else { 500 }, Body::text("a task panicked"))
        }
        "/logs" => {
            lines::write_steps().await;
            lines::write_everywhere().await;
            reply(200, Body::text("logged"))
        }
        "/late" => {
            let (request, world) = (current(), Arc::clone(&world));
            tokio::spawn(async move {
                let _permit = world.gate.acquire().await;
                request.set("too", "late");
            });
            reply(200, Body::text("early"))
        }
        _ => {
            current().set("greeting", "hi");
            reply(200, Body::text("hello"))
        }
    }
}

/// Starts spans below the span of the request: with OpenTelemetry's API, with `tracing`, across an
/// await, and in a task.
async fn nested(tracer: &SdkTracer) {
    let context = OtelContext::current_with_span(tracer.start("by-api"));
    let below = async {
        tokio::task::yield_now().await;
        tracer.in_span("below-api", |_| ());
        let mut headers = HeaderMap::new();
        current().inject_http(&mut headers);
        current().set("injected", headers["traceparent"].to_str().unwrap_or_default().to_owned());
    };
    below.with_context(context).await;
    instrumented(tracer).await;
    let spawned = tracer.clone();
    let task = tokio::spawn(current().scope(async move { spawned.in_span("spawned", |_| ()) }));
    task.await.expect("it ends");
}

#[tracing::instrument(skip_all)]
async fn instrumented(tracer: &SdkTracer) {
    tokio::task::yield_now().await;
    tracer.in_span("below-tracing", |_| ());
}

fn reply(status: u16, body: Body) -> Response<Body> {
    Response::builder().status(status).body(body).expect("a valid response")
}

fn with_header(mut reply: Response<Body>, name: &'static str, value: &'static str) -> Response<Body> {
    reply.headers_mut().insert(name, http::HeaderValue::from_static(value));
    reply
}

fn data(text: &'static str) -> io::Result<Frame<Bytes>> {
    Ok(Frame::data(Bytes::from(text)))
}

/// Delays each frame, so the server can send the frames one by one.
pub(crate) fn slowly<S: Stream>(frames: S) -> impl Stream<Item = S::Item> {
    frames.then(|frame| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        frame
    })
}

/// The body of a response, for each stack.
pub enum Body {
    Empty,
    Full(Bytes),
    Stream { frames: Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>, length: Option<u64> },
}

impl Body {
    fn text(text: &'static str) -> Self {
        Self::Full(Bytes::from(text))
    }

    fn stream(frames: impl Stream<Item = io::Result<Frame<Bytes>>> + Send + 'static) -> Self {
        Self::Stream { frames: Box::pin(frames), length: None }
    }

    fn pieces<const N: usize>(pieces: [&'static str; N]) -> Self {
        Self::stream(slowly(stream::iter(pieces.map(data))))
    }

    fn sized<const N: usize>(length: u64, pieces: [&'static str; N]) -> Self {
        let frames = slowly(stream::iter(pieces.map(data)));
        Self::Stream { frames: Box::pin(frames), length: Some(length) }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream { frames, .. } => frames.as_mut().poll_next(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            // Like a stream with a `Content-Length` header: the body itself does not know its
            // length.
            Self::Stream { .. } => SizeHint::default(),
        }
    }
}

impl actix_web::body::MessageBody for Body {
    type Error = io::Error;

    fn size(&self) -> actix_web::body::BodySize {
        use actix_web::body::BodySize;
        match self {
            // With `None`, actix would send no `Content-Length`, and the client would wait for the
            // end of the connection.
            Self::Empty => BodySize::Sized(0),
            Self::Full(bytes) => BodySize::Sized(bytes.len() as u64),
            Self::Stream { length: Some(length), .. } => BodySize::Sized(*length),
            Self::Stream { length: None, .. } => BodySize::Stream,
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let frame = http_body::Body::poll_frame(self, cx);
        frame.map_ok(|frame| frame.into_data().unwrap_or_default())
    }
}
