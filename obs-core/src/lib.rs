//! The core of `obs`: one observation of each request, one record at its end, and outputs that read
//! it.
//!
//! Applications depend on an adapter, which re-exports this crate: `obs-axum` (axum, tower, hyper
//! and tonic) or `obs-actix` (actix-web).
//!
//! ```text
//! request ──▶ Observation ──finished once──▶ Record ──▶ metrics · events · spans · your sinks
//!                  ▲
//!              current(): handlers and libraries add fields and errors
//! ```
//!
//! ```
//! use obs_core::{Observer, current};
//!
//! let observer = Observer::builder("shop").build()?; // reads OTEL_* and OBS_* variables
//! // The adapter's layer takes the observer. In a handler, any code can then enrich its request:
//! current().set("cart.items", 3);
//! # Ok::<(), obs_core::BuildError>(())
//! ```
//!
//! | part | for | start with |
//! |---|---|---|
//! | this root | applications | [`Observer`], [`current`] |
//! | [`adapter`] | crates that connect a framework | [`Observation`](adapter::Observation) |
//! | [`output`] | crates that process records | [`RecordSink`](output::RecordSink) |
//!
//! # Features
//! The adapters have the same features, except `http`, `tokio` and `otlp`, which they enable as
//! needed.
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `files` | on | event files that rotate |
//! | `gzip` | on | compression of `/metrics` and of closed segments of event files |
//! | `hash` | on | keyed hashes of client addresses and user ids |
//! | `metrics` | on | the metrics of the requests, and `/metrics` |
//! | `patterns` | on | redaction with the application's own regular expressions |
//! | `prometheus` | on | metrics in a `prometheus::Registry`, whose other metrics appear on `/metrics` |
//! | `http` | off | support for frameworks that use `http` 1 and `http-body` 1 |
//! | `tokio` | off | health checks, signals and graceful shutdown |
//! | `logs` | off | log lines that know their request, for the crate `obs-tracing` |
//! | `otlp` | off | OTLP over HTTP, for every signal |
//! | `otel` | off | spans with OpenTelemetry, exported over OTLP |
//! | `testing` | off | an observer in memory, for tests |
//!
//! # Guarantees
//! * Telemetry never makes a request fail, and its memory is bounded. A request waits for an output
//!   only if the application chooses [`Overflow::Block`].
//! * An observer changes no state of the whole process, except that it adds a panic hook.
//!   `shutdown::signal` adds signal handlers, and `Observer::install_otel_globals` sets the globals
//!   of OpenTelemetry.
//! * The crate logs its own diagnostics with `tracing`, target `obs`.
//!
//! # Guides
//! The guides are in the repository.
//!
//! | for | read |
//! |---|---|
//! | all topics | `docs/README.md`, the index |
//! | a new framework | `docs/adapters.md` |
//! | destinations of events | `docs/events.md` |
//! | settings and variables | `docs/configuration.md` |

#![cfg_attr(docsrs, feature(doc_cfg))]
// Some parts of the lower floors serve only the metrics.
#![cfg_attr(not(feature = "metrics"), allow(dead_code))]

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
mod sql;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;
mod work;
mod write;

/// The crate whose `Registry` holds the metrics: see [`Observer::registry`].
#[cfg(feature = "prometheus")]
pub use prometheus;

#[cfg(feature = "tokio")]
pub use self::observer::shutdown;
#[cfg(feature = "files")]
pub use self::outputs::destination::file::EventFile;
#[cfg(feature = "logs")]
pub use self::outputs::logs::{format::LogFormat, levels::LogLevels, output::LogOutput, settings::Logs};
#[cfg(feature = "metrics")]
pub use self::outputs::metrics::{
    settings::{MetricLabel, MetricNaming, Metrics},
    timers::{Timer, TimerGuard},
};
#[cfg(feature = "logs")]
pub use self::record::log_level::LogLevel;
pub use self::{
    base::{
        build_error::BuildError,
        settings::{Setting, SettingVariable},
        value::{MAX_FIELD_BYTES, Value},
    },
    builder::ObserverBuilder,
    http::{answer::Answer, grpc::status::GrpcStatus},
    observer::{Observer, drain::Drain, report::ShutdownReport},
    outputs::events::{
        EVENT_SCHEMA,
        channel::EventReceiver,
        output::{EventFormat, EventOutput, Overflow},
        settings::Events,
    },
    record::{
        endpoint::Endpoint,
        fields::MAX_FIELDS,
        identity::Identity,
        outcome::Outcome,
        policy::{PanicAnswer, PanicPolicy, TraceHeader},
        request_id::{MAX_REQUEST_ID, RequestId},
        service::Service,
    },
    redact::{Redactor, patterns::kind::SecretPattern, settings::Redaction},
    work::{
        call::guard::CallGuard,
        handle::Work,
        scope::current,
        scoped::Scoped,
        span_guard::{SpanGuard, span},
    },
};

pub mod adapter {
    //! The API for adapters: crates that observe the requests of a web framework.
    //!
    //! The guide is `docs/adapters.md`: all rules, and a complete adapter.
    //!
    //! ```text
    //! RequestHead ──start──▶ Observation ──moves──▶ BodyObservation ──end──▶ Record ──▶ all sinks
    //!                          │     ▲
    //!                          │     └ calls, polls and drops run in its scope: current()
    //!                          └ work() ──▶ request extensions: handlers add fields and errors
    //! ```
    //! * An [`Observation`] cannot be cloned. It moves from the handler's future ([`Observed`])
    //!   into the response's body: [`BodyObservation`], or `ObservedBody` for `http-body` 1.
    //! * [`Observation::finish`] takes the observation by value, so a request ends only once. A
    //!   drop of the observation counts as a cancellation.
    //! * At its end, a request becomes one immutable [`Record`](crate::output::Record), which every
    //!   output reads.
    //!
    //! ```
    //! use obs_core::{Observer, Outcome, adapter::{Observed, RequestHead}};
    //!
    //! # #[tokio::main(flavor = "current_thread")]
    //! # async fn main() -> Result<(), obs_core::BuildError> {
    //! # let (request, handler) = ((), |()| async { 200_u16 });
    //! let observer = Observer::builder("shop").no_environment().build()?;
    //! let mut observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
    //! observation.set_route("/items/{id}");
    //! // 1. Put the handle into the request's extensions.
    //! let work = observation.work();
    //! // 2. Run the service in the request's scope. A panic is returned as a value.
    //! let mut future = Observed::empty(observation);
    //! future.make(|| handler(request));
    //! let (mut observation, result) = future.await;
    //! match result {
    //!     Ok(status) => {
    //!         // 3. Report the head. A real adapter then moves the observation into the body.
    //!         observation.responded(status, &());
    //!         observation.finish(Outcome::Completed);
    //!     }
    //!     Err(panic) => {
    //!         let (_observation, _answer) = observation.panicked(panic);
    //!     }
    //! }
    //! # Ok(()) }
    //! ```

    #[cfg(feature = "http")]
    pub use crate::http1::body::ObservedBody;
    #[cfg(feature = "tokio")]
    pub use crate::observer::write_timeout::WriteTimeout;
    pub use crate::{
        base::panic::Panic,
        http::{
            answer::{Answer, EndpointFuture},
            answer_body::AnswerBody,
            head::RequestHead,
            headers::{HeaderLookup, first_header},
            method::Method,
            protocol::{HttpVersion, UrlScheme},
            thread_routes::ThreadRoutes,
        },
        observer::WeakObserver,
        record::{
            known_database::KnownDatabase,
            pool_state::{PoolState, PoolWaits},
        },
        request::{
            body::BodyObservation, body_rule::BodyRule, observation::Observation, observed::Observed,
            request_body::RequestBody,
        },
        work::{
            call::{head::CallHead, observation::CallObservation},
            not_observed::NotObserved,
        },
    };
}

pub mod output {
    //! The API for code that processes finished work: sinks and extensions.
    //!
    //! The guide for destinations of events is `docs/events.md`.
    //!
    //! ```text
    //! Record ──▶ RecordSink    metrics, events, spans, and your own
    //! events ──▶ EventSink     the JSON lines of the events
    //! ```
    //! | to | implement | install with |
    //! |---|---|---|
    //! | process records | [`RecordSink`] | [`ObserverBuilder::sink`](crate::ObserverBuilder::sink) |
    //! | write events to another place | [`EventSink`] | [`EventOutput::to`](crate::EventOutput::to) |
    //! | add endpoints, checks, counters | [`Extension`] | [`ObserverBuilder::extension`](crate::ObserverBuilder::extension) |
    //!
    //! ```
    //! use obs_core::{Observer, output::{Record, RecordSink}};
    //!
    //! struct Slow;
    //! impl RecordSink for Slow {
    //!     fn name(&self) -> &str { "slow" }
    //!     fn on_finish(&self, record: &Record) {
    //!         if record.duration.as_secs() > 1 {
    //!             println!("{} was slow", record.start().id);
    //!         }
    //!     }
    //! }
    //! let observer = Observer::builder("shop").no_environment().sink(Slow).build()?;
    //! # Ok::<(), obs_core::BuildError>(())
    //! ```

    #[cfg(feature = "logs")]
    pub use crate::outputs::logs::{LogPipeline, line::LogLine};
    pub use crate::{
        base::{
            counter::Counter,
            environment::Environment,
            panic::{PanicLocation, PanicReport},
        },
        extension::{
            installation::Extension,
            report::{OutputCounts, OutputReport},
            setup::Setup,
            sink::RecordSink,
        },
        http::grpc::GrpcCall,
        outputs::delivery::{
            batch::{Batch, Entries, Entry},
            failure::{Delivered, Failure},
            sink::{BatchSink, EventSink},
        },
        record::{
            call::{
                CallEnd, CallFailure, CallStart, CallTarget, DatabaseTarget, FinishedCall, GrpcTarget,
                HttpTarget, ServerAddress,
            },
            calls::{Call, Calls, DependencyCalls},
            dependency::Dependency,
            error::ErrorReport,
            fields::Fields,
            finished::{FinishedRequest, Record, RecordKind, RequestEnd},
            identity::User,
            repeated::RepeatedQuery,
            route::Route,
            spans::{SpanEnd, SpanStart, SpanTotals},
            start::{RequestStart, Start, StartKind},
        },
    };
}
