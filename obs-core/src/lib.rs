//! Observability for web services: ids, traces, metrics and one event per request.
//!
//! Applications depend on an adapter: `obs-axum` (also for plain tower, hyper and tonic) or `obs-actix`. The crate
//! has three parts, each for other readers:
//!
//! | module | for | begins with |
//! |---|---|---|
//! | this root | applications; each adapter re-exports all of it | [`Observer`], [`current`] |
//! | [`adapter`] | crates that observe a framework | [`Observation`](adapter::Observation) |
//! | [`output`] | sinks of records, wherever they write to | [`RecordSink`](output::RecordSink) |
//!
//! ```
//! use obs_core::{Observer, current};
//!
//! let observer = Observer::builder("shop").build()?; // reads OTEL_SERVICE_NAME and OBS_*
//! // The adapter's layer takes the observer. Below it, any code enriches its request:
//! current().set("cart.items", 3);
//! # Ok::<(), obs_core::BuildError>(())
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

#[cfg(feature = "tokio")]
pub use self::observer::shutdown;
pub use self::{
    base::{
        build_error::BuildError,
        settings::{Setting, SettingVariable},
        value::{MAX_FIELD_BYTES, Value},
    },
    builder::ObserverBuilder,
    http::grpc::status::GrpcStatus,
    observer::{
        Observer,
        drain::{Drain, ShutdownReport},
    },
    outputs::{
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
        endpoint::Endpoint,
        fields::MAX_FIELDS,
        identity::Identity,
        outcome::Outcome,
        policy::{PanicPolicy, TraceHeader},
        request_id::{MAX_REQUEST_ID, RequestId},
        service::Service,
    },
    redact::{Redactor, patterns::kind::SecretPattern, settings::Redaction},
    work::{
        call_guard::CallGuard,
        handle::{Scoped, Work},
        scope::current,
    },
};

pub mod adapter {
    //! The API for adapters: crates that put the requests of a web framework under observation.
    //!
    //! `docs/adapters.md` says how to write one, rule by rule, with a complete example.
    //!
    //! # The life of a request
    //! ```text
    //! RequestHead ──Observer::start──▶ Observation ──moves──▶ BodyObservation ──end──▶ Record ──▶ every RecordSink
    //!                                    │      ▲
    //!                                    │      └ call, polls and drops run in its scope: current()
    //!                                    └ work() ──▶ request extensions: handlers add fields and errors
    //! ```
    //! * An [`Observation`] cannot be cloned. It moves from the handler's future ([`Observed`]) into the response's
    //!   body ([`BodyObservation`]; for `http-body` 1 there is `ObservedBody`).
    //! * [`Observation::finish`] takes it by value, so it happens once. Dropping it is a cancellation.
    //! * Finishing makes one immutable [`Record`](crate::output::Record), which every output reads.
    //!
    //! ```
    //! use obs_core::{Observer, Outcome, adapter::{Observed, RequestHead}};
    //!
    //! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), obs_core::BuildError> {
    //! # let (request, handler) = ((), |()| async { 200_u16 });
    //! let observer = Observer::builder("shop").no_environment().build()?;
    //! let mut observation = observer.start(&RequestHead::new("GET", "/items/7", &()));
    //! observation.set_route("/items/{id}");
    //! // 1. Its handle goes into the request's extensions.
    //! let work = observation.work();
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

    #[cfg(feature = "http")]
    pub use crate::http1::body::ObservedBody;
    pub use crate::{
        base::panic::Panic,
        http::{
            answer::{Answer, EndpointFuture},
            answer_body::AnswerBody,
            head::RequestHead,
            headers::{HeaderLookup, first_header},
            method::Method,
            protocol::{HttpVersion, UrlScheme},
        },
        request::{
            body::BodyObservation, body_rule::BodyRule, observation::Observation, observed::Observed,
            request_body::RequestBody,
        },
        work::not_observed::NotObserved,
    };
}

pub mod output {
    //! The API for outputs: code that reads finished work, in a service or in a crate of its own.
    //!
    //! An output is a [`RecordSink`]. It is installed with [`ObserverBuilder::sink`](crate::ObserverBuilder::sink) and
    //! sees the same [`Record`] as metrics, events and spans do. Where only the bytes of events are to go somewhere else,
    //! an [`EventSink`] is enough: see [`EventOutput::to`](crate::EventOutput::to).
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
            calls::{Call, Calls, DependencyCalls},
            error::ErrorReport,
            fields::Fields,
            finished::{FinishedRequest, Record, RecordKind, RequestEnd},
            identity::User,
            route::Route,
            start::{RequestStart, Start, StartKind},
        },
    };
}
