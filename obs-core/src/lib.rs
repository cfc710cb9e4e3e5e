//! The core of obs: one observation per HTTP request, whose finished record every output reads.
//!
//! Applications use an adapter (`obs-axum`, which also serves plain tower, hyper and tonic, or `obs-actix`)
//! and meet this crate as [`Observer`], [`current`] and [`RequestHandle`]. This page is for those who write an
//! adapter or an output.
//!
//! # The life of a request
//! ```text
//! RequestHead ──Observer::start──▶ Observation ──moves──▶ BodyObservation ──end──▶ RequestRecord ──▶ every RecordSink
//!                                    │      ▲
//!                                    │      └ call, polls and drops run in its scope: current()
//!                                    └ handle() ──▶ request extensions: handlers add fields and errors
//! ```
//! * An [`Observation`] cannot be cloned. It moves from the handler's future ([`Observed`]) into the response's
//!   body ([`BodyObservation`], and for `http-body` 1 `ObservedBody`).
//! * [`Observation::finish`] takes it by value, so it happens once; dropping it is a cancellation, so it happens.
//! * Finishing makes one immutable [`RequestRecord`]. Each output is a [`RecordSink`] and reads only that.
//!
//! # An adapter
//! ```
//! use obs_core::{Observed, Observer, Outcome, RequestHead};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), obs_core::BuildError> {
//! # let (request, handler) = ((), |()| async { 200_u16 });
//! let observer = Observer::builder("shop").no_environment().build()?;
//! let mut observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
//! observation.set_route("/items/{id}");
//! // 1. Its handle goes into the request's extensions.
//! let handle = observation.handle();
//! // 2. The service runs in its scope; a panic comes back as a value.
//! let mut future = Observed::empty(observation);
//! future.make(|| handler(request));
//! let (mut observation, result) = future.await;
//! match result {
//!     Ok(status) => {
//!         // 3. The head is there. The body takes the observation along and finishes it.
//!         observation.responded(status, &());
//!         observation.finish(Outcome::Completed);
//!     }
//!     Err(panic) => {
//!         let (_observation, _answer) = observation.panicked(panic);
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! # Features
//! * `http`: for frameworks on `http` 1 and `http-body` 1.
//! * `tokio`: health checks, signals and graceful shutdown.
//! * `otel`: spans with OpenTelemetry, exported over OTLP.
//! * `testing`: an observer in memory, for tests.
//!
//! # Promises
//! * The request path never fails, blocks or grows without bound because of telemetry.
//! * There are no globals but the panic hook, and the signals if `shutdown::signal` is asked for them.
//! * Own diagnostics go to `tracing` with the target `obs`.

mod answer;
mod answer_body;
mod body;
mod builder;
mod calls;
mod clock;
mod current;
mod diagnostics;
mod digits;
mod enrichment;
mod events;
mod field;
mod forwarded;
mod grpc;
mod handle;
mod head;
mod head_text;
mod health;
mod hex;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_body;
mod id;
mod identity;
mod in_flight;
mod json;
mod method;
mod metrics;
mod name_filter;
mod observation;
mod observed;
mod observer;
mod ops;
#[cfg(feature = "otel")]
pub mod otel;
mod panic;
mod random;
mod read_mostly;
mod record;
#[cfg(test)]
mod records;
mod recycled;
mod redact;
mod request_body;
mod rfc3339;
mod route;
mod scribe;
mod service;
#[cfg(feature = "tokio")]
pub mod shutdown;
mod sink;
#[cfg(feature = "http")]
mod slice;
mod state;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
pub mod trace;
mod user_agents;
mod wanted;

#[cfg(feature = "http")]
pub use self::http_body::ObservedBody;
/// The crate whose `Registry` holds the metrics: see [`Observer::registry`].
pub use prometheus;

pub use self::{
    answer::Answer,
    answer_body::AnswerBody,
    body::{BodyObservation, PlainBody, Polled},
    builder::{BuildError, ObserverBuilder},
    calls::{Call, CallGuard, Calls, DependencyCalls},
    current::current,
    events::{
        EVENT_SCHEMA, EventFile, EventFormat, EventOutput, EventReceiver, EventSink, Events, Identity,
        Overflow,
    },
    field::{Fields, MAX_FIELD_BYTES, MAX_FIELDS, Value},
    grpc::{GrpcCall, GrpcStatus},
    handle::{InRequest, RequestHandle},
    head::{HeaderLookup, HttpVersion, RequestHead, UrlScheme, first_header},
    id::{MAX_REQUEST_ID, RequestId},
    identity::User,
    method::Method,
    metrics::{MetricLabel, MetricNaming, Metrics},
    observation::Observation,
    observed::Observed,
    observer::{Drain, Observer, PanicPolicy, ShutdownReport, TraceHeader},
    ops::{Endpoint, EndpointFuture},
    panic::{Panic, PanicLocation, PanicReport},
    record::{ErrorReport, Outcome, RequestRecord, RequestStart},
    redact::{Redaction, Redactor, SecretPattern},
    request_body::RequestBody,
    route::Route,
    service::Service,
    sink::RecordSink,
    trace::{Propagator, TraceContext},
};
