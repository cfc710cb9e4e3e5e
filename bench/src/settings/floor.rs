//! The floor: the least work that any observation of requests needs, written directly in one layer.
//!
//! It is not a usable middleware. It knows one route, expects that every request ends normally,
//! masks nothing, bounds nothing and has no page. It shows how much of the cost of a middleware is
//! this necessary work.

use std::{
    convert::Infallible,
    future::Future,
    io::Write as _,
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ::tower::{Service, layer::layer_fn};
use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri},
    response::Response,
};
use obs_core::prometheus::{Histogram, HistogramOpts, IntGauge};
use pin_project_lite::pin_project;
use uuid::Uuid;

use super::{Setting, axum as bare};

pub(super) static AXUM: Setting = Setting {
    name: "axum-floor",
    bare: Some(&bare::BARE),
    run: |drive| {
        let shared = Arc::new(Shared::new());
        let layer = |shared: Arc<Shared>| layer_fn(move |inner| Floor { inner, shared: Arc::clone(&shared) });
        let layered = Arc::clone(&shared);
        let requests = bare::drive(drive, || bare::served(bare::router().layer(layer(layered))));
        assert_eq!(shared.duration.get_sample_count(), requests, "not every request was counted");
    },
};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The bytes of lines that are written at once.
const LINES: usize = 64 * 1024;

struct Shared {
    in_flight: IntGauge,
    duration: Histogram,
    request_size: Histogram,
    response_size: Histogram,
    lines: Mutex<Vec<u8>>,
}

impl Shared {
    fn new() -> Self {
        let histogram =
            |name: &str| Histogram::with_opts(HistogramOpts::new(name, name)).expect("a valid name");
        Self {
            in_flight: IntGauge::new("in_flight", "in_flight").expect("a valid name"),
            duration: histogram("duration"),
            request_size: histogram("request_size"),
            response_size: histogram("response_size"),
            lines: Mutex::default(),
        }
    }
}

/// The facts of the request for its line.
struct Seen {
    started: Instant,
    since_1970: Duration,
    id: HeaderValue,
    trace_id: u128,
    span_id: u64,
    method: Method,
    uri: Uri,
    route: Option<MatchedPath>,
    peer: Option<ConnectInfo<std::net::SocketAddr>>,
    user_agent: Option<HeaderValue>,
}

impl Seen {
    fn of(request: &Request) -> Self {
        let headers = request.headers();
        let new_id = || {
            let mut text = [0; 36];
            HeaderValue::from_str(Uuid::now_v7().hyphenated().encode_lower(&mut text)).expect("hexadecimal")
        };
        Self {
            started: Instant::now(),
            since_1970: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            id: headers.get(&REQUEST_ID).cloned().unwrap_or_else(new_id),
            trace_id: trace_id(headers).unwrap_or_else(|| Uuid::new_v4().as_u128()),
            span_id: Uuid::new_v4().as_u64_pair().1,
            method: request.method().clone(),
            uri: request.uri().clone(),
            route: request.extensions().get().cloned(),
            peer: request.extensions().get().cloned(),
            user_agent: headers.get("user-agent").cloned(),
        }
    }

    fn end(self, shared: &Shared, status: u16) {
        let took = self.started.elapsed();
        shared.duration.observe(took.as_secs_f64());
        shared.request_size.observe(0.0);
        shared.response_size.observe(6.0);
        shared.in_flight.dec();
        let mut lines = shared.lines.lock().expect("nobody panics");
        if lines.len() > LINES {
            lines.clear();
        }
        let written = writeln!(
            lines,
            r#"{{"time":{},"request_id":"{}","trace_id":"{:032x}","span_id":"{:016x}","method":"{}","route":"{}","path":"{}","client":"{}","user_agent":"{}","status":{status},"duration_us":{}}}"#,
            self.since_1970.as_micros(),
            self.id.to_str().unwrap_or_default(),
            self.trace_id,
            self.span_id,
            self.method,
            self.route.as_ref().map(MatchedPath::as_str).unwrap_or_default(),
            self.uri.path(),
            self.peer.map(|peer| peer.0.ip()).unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into()),
            self.user_agent.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default(),
            took.as_micros(),
        );
        assert!(written.is_ok(), "memory takes all");
    }
}

fn trace_id(headers: &HeaderMap) -> Option<u128> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    u128::from_str_radix(value.get(3..35)?, 16).ok()
}

#[derive(Clone)]
struct Floor<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S: Service<Request, Response = Response, Error = Infallible>> Service<Request> for Floor<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.shared.in_flight.inc();
        let seen = Some(Seen::of(&request));
        Answer { inner: self.inner.call(request), seen, shared: Arc::clone(&self.shared) }
    }
}

pin_project! {
    struct Answer<F> {
        #[pin]
        inner: F,
        seen: Option<Seen>,
        shared: Arc<Shared>,
    }
}

impl<F: Future<Output = Result<Response, Infallible>>> Future for Answer<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(seen) = mem::take(this.seen) {
            response.headers_mut().insert(&REQUEST_ID, seen.id.clone());
            seen.end(this.shared, response.status().as_u16());
        }
        Poll::Ready(Ok(response))
    }
}
