//! The core of obs: one observation per HTTP request, whose finished record every output reads.
//!
//! Applications use an adapter (`obs-axum`, which also serves plain tower, hyper and tonic, or `obs-actix`)
//! and meet this crate as [`Observer`], [`current`] and [`Work`]. This page is for those who write an
//! adapter or an output.
//!
//! # The life of a request
//! ```text
//! RequestHead ──Observer::start──▶ Observation ──moves──▶ BodyObservation ──end──▶ Record ──▶ every RecordSink
//!                                    │      ▲
//!                                    │      └ call, polls and drops run in its scope: current()
//!                                    └ handle() ──▶ request extensions: handlers add fields and errors
//! ```
//! * An [`Observation`] cannot be cloned. It moves from the handler's future ([`Observed`]) into the response's
//!   body ([`BodyObservation`], and for `http-body` 1 `ObservedBody`).
//! * [`Observation::finish`] takes it by value, so it happens once; dropping it is a cancellation, so it happens.
//! * Finishing makes one immutable [`Record`]. Each output is a [`RecordSink`] and reads only that.
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
//! let handle = observation.work();
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
//! On by default; an adapter has each under the same name:
//! * `gzip`: compresses `/metrics` and closed segments of event files.
//! * `hash`: clients and users as keyed hashes.
//! * `patterns`: redaction by regular expressions of the service's own.
//! * `prometheus`: the metrics in a `prometheus::Registry`, and its other metrics on `/metrics`.
//!
//! Off by default:
//! * `http`: for frameworks on `http` 1 and `http-body` 1.
//! * `tokio`: health checks, signals and graceful shutdown.
//! * `otlp`: the wire of OTLP over HTTP, for every signal.
//! * `otel`: spans with OpenTelemetry, exported over OTLP.
//! * `testing`: an observer in memory, for tests.
//!
//! # Promises
//! * The request path never fails, blocks or grows without bound because of telemetry.
//! * There are no globals but the panic hook, and the signals if `shutdown::signal` is asked for them.
//! * Own diagnostics go to `tracing` with the target `obs`.

mod base;
mod builder;
mod endpoints;
mod extension;
mod http;
#[cfg(feature = "http")]
mod http1;
mod observer;
#[cfg(feature = "otel")]
pub mod otel;
mod outputs;
mod record;
mod redact;
mod request;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
mod work;
mod write;

/// The crate whose `Registry` holds the metrics: see [`Observer::registry`].
#[cfg(feature = "prometheus")]
pub use prometheus;

#[cfg(feature = "http")]
pub use self::http1::body::ObservedBody;
#[cfg(feature = "tokio")]
pub use self::observer::shutdown;
pub use self::{
    base::{
        build_error::BuildError,
        counter::Counter,
        environment::Environment,
        panic::{Panic, PanicLocation, PanicReport},
        settings::{Setting, SettingVariable},
        value::{MAX_FIELD_BYTES, Value},
    },
    builder::ObserverBuilder,
    extension::{
        installation::Extension,
        report::{OutputCounts, OutputReport},
        setup::Setup,
        sink::RecordSink,
    },
    http::{
        answer::{Answer, EndpointFuture},
        answer_body::AnswerBody,
        grpc::{GrpcCall, status::GrpcStatus},
        head::RequestHead,
        headers::{HeaderLookup, first_header},
        method::Method,
        protocol::{HttpVersion, UrlScheme},
    },
    observer::{
        Observer,
        drain::{Drain, ShutdownReport},
    },
    outputs::{
        delivery::{
            batch::{Batch, Entries, Entry},
            failure::{Delivered, Failure},
            sink::{BatchSink, EventSink},
        },
        events::{
            EVENT_SCHEMA,
            channel::EventReceiver,
            file::EventFile,
            output::{EventFormat, EventOutput, Overflow},
            settings::Events,
        },
        metrics::settings::{MetricLabel, MetricNaming, Metrics},
    },
    record::{
        calls::{Call, Calls, DependencyCalls},
        endpoint::Endpoint,
        error::ErrorReport,
        fields::{Fields, MAX_FIELDS},
        finished::{FinishedRequest, Record, RecordKind, RequestEnd},
        identity::{Identity, User},
        outcome::Outcome,
        policy::{PanicPolicy, TraceHeader},
        request_id::{MAX_REQUEST_ID, RequestId},
        route::Route,
        service::Service,
        start::{RequestStart, Start, StartKind},
    },
    redact::{Redactor, patterns::kind::SecretPattern, settings::Redaction},
    request::{
        body::{BodyObservation, PlainBody, Polled},
        observation::Observation,
        observed::Observed,
        request_body::RequestBody,
    },
    trace::{TraceContext, propagation::Propagator},
    work::{
        call_guard::CallGuard,
        handle::{Scoped, Work},
        scope::current,
    },
};
