//! The settings of an observer, from code and from the environment.

pub(crate) mod build;
pub(crate) mod built_in;
pub(crate) mod environment;
pub(crate) mod validation;

use std::{fmt, time::Duration};

#[cfg(feature = "tokio")]
use std::future::Future;

#[cfg(feature = "tokio")]
use crate::extension::check::{Check, HealthCheck};
use crate::extension::{installation::Extension, setup::StartHook, sink::RecordSink};
#[cfg(feature = "logs")]
use crate::outputs::logs::settings::Logs;
#[cfg(feature = "metrics")]
use crate::outputs::metrics::settings::Metrics;
#[cfg(feature = "otel")]
use crate::outputs::otel::settings::Otel;
use crate::{
    base::{parse, settings::settings},
    http::{forwarded::network::Network, head::RequestHead, headers::is_header_name},
    observer::{Observer, drain::TOTAL},
    outputs::events::settings::Events,
    record::{
        endpoint::Endpoint,
        finished::Record,
        hook::Hook,
        id_policy::IdGenerator,
        internal_hosts::{self, InternalHosts},
        policy::{Classifier, OnResponded, PanicPolicy, PublicEndpoint, TraceHeader},
        route,
    },
    redact::settings::Redaction,
    trace::propagation::{Propagator, Propagators},
    work::handle::Work,
};

/// The timeout of a health check that has no timeout of its own.
#[cfg(feature = "tokio")]
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

settings! {
    /// A builder of an [`Observer`](crate::Observer), with all its settings.
    ///
    /// [`build`](Self::build) reads the environment variables. They take precedence over the code,
    /// because an operator can change them. [`Observer::settings`](crate::Observer::settings) lists
    /// every setting with its variables.
    ///
    /// ```
    /// use std::time::Duration;
    /// use obs_core::{Events, Observer};
    ///
    /// let observer = Observer::builder("shop")
    ///     .request_id_headers(["x-request-id", "x-correlation-id"])
    ///     .trust_inbound(false)
    ///     .events(Events::off())
    ///     .drain_delay(Duration::from_secs(2))
    ///     .drain_timeout(Duration::from_secs(10))
    ///     .build()?;
    /// # Ok::<(), obs_core::BuildError>(())
    /// ```
    #[must_use = "`build` makes the observer"]
    pub struct ObserverBuilder {
        /// The test kit: a sink that receives each record after all other sinks, and a function.
        last_sink: Option<(Box<dyn RecordSink>, OnResponded)>,
    }

    service: String = String::new(), "the argument of `Observer::builder`" {
        variable "OTEL_RESOURCE_ATTRIBUTES":
            "`key=value` pairs, percent-encoded and separated by commas; the key `service.name` sets the \
             name of the service";
        variable "OTEL_SERVICE_NAME": "the name of the service" => |name| Some(name.to_owned());
        check Self::check_service;
    }

    service_version: Option<String> = None, "none" {
        /// Sets the version of the service: `.service_version(env!("CARGO_PKG_VERSION"))`.
        fn service_version(mut self, version: impl Into<String>) {
            self.service_version = Some(version.into());
        }
        variable "OTEL_RESOURCE_ATTRIBUTES": "the key `service.version` sets its version";
    }

    service_instance: Option<String> = None, "a new UUID for each observer" {
        /// Sets the id of this instance of the service.
        fn service_instance(mut self, instance: impl Into<String>) {
            self.service_instance = Some(instance.into());
        }
        variable "OTEL_RESOURCE_ATTRIBUTES": "the key `service.instance.id` sets the id of this instance";
    }

    deployment_environment: Option<String> = None, "none" {
        /// Sets the environment of the deployment, such as `production` or `staging`.
        fn deployment_environment(mut self, environment: impl Into<String>) {
            self.deployment_environment = Some(environment.into());
        }
        variable "OTEL_RESOURCE_ATTRIBUTES":
            "the key `deployment.environment.name` sets the environment of the deployment";
    }

    request_id_headers: Vec<String> = vec!["x-request-id".to_owned()], "`x-request-id`" {
        /// Sets the headers that carry the request id. The caller's id is the first valid id in
        /// these headers, in this order. Responses carry the id in the first header.
        fn request_id_headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) {
            self.request_id_headers = names.into_iter().map(|name| name.into().to_ascii_lowercase()).collect();
        }
        valid each "a header name such as `x-request-id`" if |name| is_header_name(name);
        check Self::check_request_id_headers;
    }

    trust_inbound: bool = true, "`true`" {
        /// Accepts a valid request id from the caller. If `false`, every request gets a new one.
        fn trust_inbound(mut self, trust: bool) { self.trust_inbound = trust }
    }

    request_id_in_request: bool = false, "`false`" {
        /// Sets all [`request_id_headers`](Self::request_id_headers) of the request to the request
        /// id. Inner layers, handlers and the services behind a proxy then read the same id there.
        ///
        /// The caller's values of these headers are replaced.
        /// [`Events::headers`](crate::Events::headers) still records the caller's values.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let observer = Observer::builder("gateway").request_id_in_request(true).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn request_id_in_request(mut self, write: bool) { self.request_id_in_request = write }
    }

    keep_response_id: bool = false, "`false`: it is replaced" {
        /// Keeps a request id that a response already has, for example from a service behind a
        /// proxy. If `false`, the id of this service's request replaces it.
        ///
        /// Records always have the id of this service's request.
        fn keep_response_id(mut self, keep: bool) { self.keep_response_id = keep }
    }

    generator: Option<IdGenerator> = None, "UUID version 7" {
        /// Sets the function that makes request ids from the request's head. If it panics or
        /// returns an invalid [`RequestId`](crate::RequestId), a UUID is used instead.
        ///
        /// The id is recorded without masking, so it must not contain a secret of the head.
        ///
        /// ```
        /// use obs_core::{Observer, adapter::first_header};
        ///
        /// let builder = Observer::builder("shop").request_id_generator(|head| {
        ///     // The id of a load balancer, without its own name for it.
        ///     let root = first_header(head.headers, "x-amzn-trace-id", |id| {
        ///         String::from_utf8_lossy(id).trim_start_matches("Root=").to_owned()
        ///     });
        ///     root.unwrap_or_default() // An empty id is invalid, so it is replaced by a UUID.
        /// });
        /// # builder.build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn request_id_generator(
            mut self, generator: impl Fn(&RequestHead<'_>) -> String + Send + Sync + 'static,
        ) {
            self.generator = Some(Box::new(generator));
        }
    }

    public_endpoint: Option<PublicEndpoint> = None, "none" {
        /// Selects the requests whose callers are not trusted, such as those from the internet.
        /// Their trace is not continued but recorded as a [link](crate::trace::TraceContext::link),
        /// and their baggage is dropped.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let observer = Observer::builder("shop")
        ///     .public_endpoint(|head| head.peer.is_none_or(|peer| !peer.ip().is_loopback()))
        ///     .build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn public_endpoint(
            mut self, is_public: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
        ) {
            self.public_endpoint = Some(Box::new(is_public));
        }
    }

    trace_header: TraceHeader = TraceHeader::Off, "`Off`" {
        /// Sets the response header that returns the trace context to the caller.
        fn trace_header(mut self, header: TraceHeader) { self.trace_header = header }
    }

    known_methods: Option<Vec<String>> = None, "the methods of RFC 9110, `PATCH` and `QUERY`" {
        /// Sets the methods that are recorded by name. All others are recorded as `_OTHER`.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let methods = ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "MKCOL"]; // for WebDAV
        /// let builder = Observer::builder("files").no_environment();
        /// let observer = builder.known_methods(methods).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn known_methods(mut self, methods: impl IntoIterator<Item = impl Into<String>>) {
            self.known_methods = Some(methods.into_iter().map(Into::into).collect());
        }
        variable "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS":
            "registered methods, separated by commas";
        valid "a registered method such as `PROPFIND`";
        check Self::check_known_methods;
    }

    propagators: Propagators = Propagators::default(), "the W3C formats: `TraceContext` and `Baggage`" {
        /// Sets the formats of the trace context, in the order of preference. The context is read
        /// from the first format that is valid in the request. Outgoing calls carry all formats.
        ///
        /// ```
        /// use obs_core::{Observer, trace::Propagator};
        /// let formats = [Propagator::TraceContext, Propagator::Baggage, Propagator::B3];
        /// let observer = Observer::builder("shop").no_environment().propagators(formats).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn propagators(mut self, propagators: impl IntoIterator<Item = Propagator>) {
            self.propagators = Propagators::new(propagators);
        }
        variable "OTEL_PROPAGATORS":
            "`tracecontext`, `baggage`, `b3`, `b3multi`, `jaeger`, separated by commas; or `none`";
    }

    trusted_proxies: Vec<String> = Vec::new(), "none" {
        /// Sets the trusted proxies in front of the service, as addresses or networks. Their
        /// `Forwarded` (RFC 7239) header is used, otherwise their `X-Forwarded-For`, `-Proto`,
        /// `-Host` and `-Port` headers.
        ///
        /// If the two kinds of headers name different clients, both are ignored, because one of
        /// them may come from the client.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let networks = ["10.0.0.0/8", "fd00::/8", "127.0.0.1"];
        /// let observer = Observer::builder("shop").trusted_proxies(networks).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn trusted_proxies(mut self, networks: impl IntoIterator<Item = impl Into<String>>) {
            self.trusted_proxies = networks.into_iter().map(Into::into).collect();
        }
        variable "OBS_TRUSTED_PROXIES": "addresses and networks, separated by commas" => parse::texts;
        valid each "addresses or networks such as `10.0.0.0/8`"
            if |network| Network::parse(network.trim()).is_some();
    }

    internal_hosts: Vec<String> = internal_hosts::DEFAULT.map(str::to_owned).into(),
        "`loopback`, `private`, `single-label`, `*.svc`, `*.internal`, `*.local`" {
        /// Sets the hosts to which observed calls send baggage and the request id. All other hosts
        /// get the trace context only.
        ///
        /// | rule | hosts |
        /// |---|---|
        /// | `loopback` | `localhost`, `127.0.0.0/8` and `::1` |
        /// | `private` | addresses of private networks, such as `10.1.2.3` |
        /// | `single-label` | names without a dot, such as `payments` |
        /// | `*.internal` | all names below a domain |
        /// | `api.example.com` | one name |
        /// | `203.0.113.0/24` | an address or a network |
        ///
        /// The list replaces the default. It also applies to each hop of a redirect that an
        /// observed client follows.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let hosts = ["loopback", "private", "*.corp.example"];
        /// let observer = Observer::builder("shop").internal_hosts(hosts).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn internal_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) {
            self.internal_hosts = hosts.into_iter().map(Into::into).collect();
        }
        variable "OBS_INTERNAL_HOSTS": "rules, separated by commas" => parse::texts;
        valid each "`loopback`, `private`, `single-label`, names, domains such as `*.internal`, addresses \
            or networks"
            if |host| InternalHosts::is_rule(host);
    }

    database: Option<String> = None, "unknown" {
        /// Names the database of clients that do not know it, such as sqlx's own event. Only the
        /// system, the host, the port and the name of the URL are kept.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let observer = Observer::builder("shop").database("postgres://db.internal/shop").build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn database(mut self, url: impl Into<String>) { self.database = Some(url.into()) }
        variable "DATABASE_URL": "a URL of PostgreSQL, MySQL, MariaDB, SQLite or SQL Server; others are ignored" => |text| Some(Some(text.to_owned()));
    }

    repeated_queries: u32 = 10, "10" {
        /// Sets the number of equal queries from which a request counts as one that repeats a
        /// query. Queries are equal if their summaries are, such as `SELECT items`.
        ///
        /// The event of the request then contains them, `db_client_repeated_queries_total` counts
        /// them, and one warning for each route names them. 0 switches this off.
        fn repeated_queries(mut self, queries: u32) { self.repeated_queries = queries }
        variable "OBS_REPEATED_QUERIES": "a number, or 0 for none" => |text| text.trim().parse::<u32>().ok();
        valid "at least 2, or 0" if |queries| *queries != 1;
    }

    route_groups: Vec<String> = Vec::new(), "none" {
        /// Records all routes that match a group as one route: the group itself, such as
        /// `/internal/*`. A trailing `*` matches any suffix. The first group that matches is used.
        ///
        /// A request that matches no route gets the group that matches its path. So a group also
        /// gives a route to a file server, and to a service without a router.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let observer = Observer::builder("shop").route_groups(["/internal/*", "/assets/*"]).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn route_groups(mut self, groups: impl IntoIterator<Item = impl Into<String>>) {
            self.route_groups = groups.into_iter().map(Into::into).collect();
        }
        valid each "beginnings of routes with `*` at the end, such as `/internal/*`"
            if |group| group.ends_with('*') && route::is_pattern(group);
    }

    excluded_routes: Vec<String> = Vec::new(), "none" {
        /// Excludes routes from metrics, events and spans together. A trailing `*` matches any
        /// suffix.
        ///
        /// Everything else stays: the request has an id, counts as in flight, and a panic is
        /// answered. If spans are on, services that it calls get a trace that is not sampled. Sinks
        /// of the application's own still receive its record.
        ///
        /// [`Metrics::exclude_routes`] and [`Events::exclude_routes`] exclude routes from one
        /// output.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let observer = Observer::builder("shop").exclude_routes(["/ping", "/internal/*"]).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn exclude_routes(mut self, routes: impl IntoIterator<Item = impl Into<String>>) {
            self.excluded_routes = routes.into_iter().map(Into::into).collect();
        }
        valid each "routes such as `/internal/{id}` or `/internal/*`, and no regular expressions"
            if |route| route::is_pattern(route);
    }

    start_hook: Option<Hook<StartHook>> = None, "none" {
        /// Calls a function at the start of each request, with its head and its handle. It can set
        /// fields, the user and the route before the service runs.
        ///
        /// It runs in the scope of the request, so [`current`](crate::current) works there. It is
        /// not called for the endpoints of `obs`. A panic in it is logged once.
        ///
        /// ```
        /// use obs_core::{Observer, adapter::first_header};
        ///
        /// let builder = Observer::builder("shop").on_start(|head, work| {
        ///     let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        ///     if let Some(tenant) = first_header(head.headers, "x-tenant", text) {
        ///         work.set("tenant", tenant);
        ///     }
        /// });
        /// # builder.build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn on_start(mut self, hook: impl Fn(&RequestHead<'_>, &Work) + Send + Sync + 'static) {
            self.start_hook = Some(Hook::new("on_start", Box::new(hook)));
        }
    }

    classifier: Option<Hook<Classifier>> = None,
        "a 5xx status, a gRPC status of a failure, or an outcome other than `completed` and `upgraded`" {
        /// Decides which requests count as failed. The function returns the kind of failure, which
        /// is the `error_type` in metrics, events and spans. It returns `None` if the request has
        /// not failed.
        ///
        /// Inside the function, [`Record::error_type`](crate::output::Record::error_type) returns
        /// the default decision. The returned text is static because it becomes the label of a
        /// metric. If the function panics, the default decision counts, and the panic is logged
        /// once.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let builder = Observer::builder("shop").classify_errors(|record| {
        ///     match record.request()?.end.status {
        ///         Some(429) => Some("too_many_requests"), // a failure
        ///         Some(503) => None,                      // no failure
        ///         _ => record.error_type(),               // the default
        ///     }
        /// });
        /// # builder.build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn classify_errors(
            mut self, classifier: impl Fn(&Record) -> Option<&'static str> + Send + Sync + 'static,
        ) {
            self.classifier = Some(Hook::new("classify_errors", Box::new(classifier)));
        }
    }

    panic_policy: PanicPolicy = PanicPolicy::Answer, "`Answer`" {
        /// Sets the response to a panic. The panic is recorded first.
        ///
        /// ```
        /// use obs_core::{Answer, Observer, PanicPolicy, current};
        ///
        /// let sorry = PanicPolicy::with(|_panic| {
        ///     let id = current().id().map(|id| id.to_string()).unwrap_or_default();
        ///     let page = format!("<h1>Sorry</h1><p>The number of this error is {id}.</p>");
        ///     Answer::new(503, "text/html; charset=utf-8", page).header("retry-after", "5")
        /// });
        /// let observer = Observer::builder("shop").panic_policy(sorry).build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn panic_policy(mut self, policy: PanicPolicy) { self.panic_policy = policy }
    }

    panic_hook: bool = true, "`true`" {
        /// Installs the panic hook of the process, which records the location and backtrace of a
        /// panic.
        ///
        /// It is installed once per process, and always calls the previous hook. If `false`, panics
        /// are still caught and recorded, but without a location.
        fn panic_hook(mut self, install: bool) { self.panic_hook = install }
    }

    endpoints: Vec<(Endpoint, String)> = default_paths(),
        "`/metrics`, `/health`, `/livez`, `/readyz`" {
        /// Sets the path of an endpoint.
        fn endpoint_path(mut self, endpoint: Endpoint, path: impl Into<String>) {
            if let Some(place) = self.endpoints.iter_mut().find(|(e, _)| *e == endpoint) {
                place.1 = path.into();
            }
        }
        /// Removes the built-in endpoints: `/metrics`, `/health`, `/livez` and `/readyz`.
        fn without_endpoints(mut self) { self.endpoints.clear() }
        valid "for `endpoint_path`, a path such as `/metrics` that no other endpoint has, without parameters and query";
    }

    #[cfg(feature = "tokio")]
    checks: Vec<Box<dyn HealthCheck>> = Vec::new(), "none; a timeout of 1 s" {
        /// Adds a health check of something that the service needs. `/readyz` and `/health` run it,
        /// `/livez` does not.
        ///
        /// All checks run at the same time, each on its own thread, so a check that blocks does not
        /// stop the service. A check can use the timers and sockets of the runtime that serves the
        /// probe.
        ///
        /// * A check fails if it returns an error, panics, or takes longer than a second.
        /// * A late check continues to run, and no second run is started meanwhile.
        /// * A result is reused for a second, so many probes cause one run.
        ///
        /// The answer contains the name of the failed check and the time at which it began to fail.
        /// The error itself is only logged, once each time the check begins to fail.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
        /// let builder = Observer::builder("shop").check("db", || async { ping().await });
        /// let observer = builder.build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn check<F, E>(mut self, name: impl Into<String>, check: impl Fn() -> F + Send + Sync + 'static)
        where [F: Future<Output = Result<(), E>> + Send + 'static, E: fmt::Display] {
            self.checks.push(Box::new(Check::new(name.into(), CHECK_TIMEOUT, check)));
        }
        /// Adds a [check](Self::check) with a timeout of its own.
        fn check_within<F, E>(
            mut self, timeout: Duration, name: impl Into<String>,
            check: impl Fn() -> F + Send + Sync + 'static,
        )
        where [F: Future<Output = Result<(), E>> + Send + 'static, E: fmt::Display] {
            self.checks.push(Box::new(Check::new(name.into(), timeout, check)));
        }
        valid "a name that no other check has";
    }

    starting: bool = false, "ready immediately" {
        /// Makes the service not ready until [`Observer::started`](crate::Observer::started) is
        /// called. It is for a service that listens before it can serve.
        fn starting(mut self) { self.starting = true }
    }

    shutdown_timeout: Duration = TOTAL, "25 s" {
        /// Sets the time of the whole shutdown, from the signal to the end. Its parts share this
        /// time: `drain_delay`, `drain_timeout` and a reserve. The reserve, which is a fifth of the
        /// time and at most 5 s, is for aborting requests and flushing the outputs.
        fn shutdown_timeout(mut self, timeout: Duration) { self.shutdown_timeout = timeout }
        variable "OBS_SHUTDOWN_TIMEOUT": "a duration such as `500ms`, `20s` or `5m`, or whole seconds such as `20`" => parse::duration;
        valid "more than zero" if |timeout| !timeout.is_zero();
    }

    drain_delay: Option<Duration> = None,
        "5 s, at most a fifth of `shutdown_timeout`; 0 at ctrl-c if no health endpoint was ever requested" {
        /// Sets the time for which the service still accepts requests after `/readyz` begins to
        /// fail. Load balancers need this time to notice the shutdown.
        fn drain_delay(mut self, delay: Duration) { self.drain_delay = Some(delay) }
        variable "OBS_DRAIN_DELAY": "a duration such as `500ms`, `20s` or `5m`, or whole seconds such as `20`" => parse::duration;
        valid "at most `shutdown_timeout` without its reserve";
        check Self::check_drain_delay;
    }

    drain_timeout: Option<Duration> = None, "what `shutdown_timeout` leaves: 15 s" {
        /// Sets the time for which running requests can still continue after `drain_delay`. Then
        /// they are aborted.
        fn drain_timeout(mut self, timeout: Duration) { self.drain_timeout = Some(timeout) }
        variable "OBS_DRAIN_TIMEOUT": "a duration such as `500ms`, `20s` or `5m`, or whole seconds such as `20`" => parse::duration;
        valid "at most `shutdown_timeout` without its reserve and without `drain_delay`";
        check Self::check_drain_timeout;
    }

    stall_timeout: Duration = Duration::from_secs(30), "30 s" {
        /// Sets the time after which a server closes a connection whose client accepts no data of a
        /// response.
        ///
        /// The server of `obs-axum` applies it to each connection. With actix-web, pass
        /// `obs_actix::on_connect` to `HttpServer::on_connect`.
        fn stall_timeout(mut self, timeout: Duration) { self.stall_timeout = timeout }
        variable "OBS_STALL_TIMEOUT": "a duration such as `500ms`, `20s` or `5m`, or whole seconds such as `20`" => parse::duration;
        valid "between 1 ms and a day" if |timeout| (1..=86_400_000).contains(&timeout.as_millis());
    }

    #[cfg(feature = "metrics")]
    metrics: Metrics = Metrics::default(), "see `Metrics`" {
        /// Sets the names, labels and buckets of the metrics, and their registry.
        fn metrics(mut self, metrics: Metrics) { self.metrics = metrics }
    }

    events: Events = Events::default(), "see `Events`" {
        /// Sets the content and the outputs of events: an [`Events`], or just an
        /// [`EventOutput`](crate::EventOutput).
        fn events(mut self, events: impl Into<Events>) { self.events = events.into() }
    }

    #[cfg(feature = "logs")]
    logs: Logs = Logs::default(), "see `Logs`" {
        /// Sets the levels and the outputs of logs: a [`Logs`], or just a
        /// [`LogOutput`](crate::LogOutput).
        fn logs(mut self, logs: impl Into<Logs>) { self.logs = logs.into() }
    }

    redaction: Redaction = Redaction::new(), "see `Redaction`" {
        /// Sets the rules that detect and mask secrets.
        fn redaction(mut self, redaction: Redaction) { self.redaction = redaction }
    }

    #[cfg(feature = "otel")]
    otel: Option<Otel> = None, "off, unless the environment names a collector; see `Otel`" {
        /// Enables spans with OpenTelemetry, with an [`Otel`] or with the application's own
        /// `TracerProvider`.
        ///
        /// Without this call, the environment enables spans if it has
        /// `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or
        /// `OTEL_TRACES_EXPORTER=otlp`.
        fn otel(mut self, otel: impl Into<Otel>) { self.otel = Some(otel.into()) }
        /// Enables spans, and exports them over OTLP to the endpoint that the environment sets,
        /// otherwise to `http://localhost:4318`.
        ///
        /// ```
        /// # use obs_core::Observer;
        /// let observer = Observer::builder("shop").otlp().build()?;
        /// # Ok::<(), obs_core::BuildError>(())
        /// ```
        fn otlp(mut self) { self.otel = Some(Otel::new()) }
        variable "OTEL_SDK_DISABLED": "`true`: no spans, and no lines over OTLP";
        variable "OTEL_TRACES_EXPORTER": "`otlp`: spans are exported; `none`: spans are not exported";
    }

    sinks: Vec<Box<dyn RecordSink>> = Vec::new(), "none" {
        /// Adds a sink, which receives every finished record.
        fn sink(mut self, sink: impl RecordSink) { self.sinks.push(Box::new(sink)) }
        valid "a name that no other sink has";
    }

    extensions: Vec<Box<dyn Extension>> = Vec::new(), "none" {
        /// Adds an [extension](Extension), which installs sinks, metrics, endpoints and health
        /// checks.
        fn extension(mut self, extension: impl Extension) { self.extensions.push(Box::new(extension)) }
        valid "a name, endpoints and metrics that no other extension has";
    }

    environment: bool = true, "the environment is read" {
        /// Ignores the environment, for tests. Events are then JSON, as if standard output were not
        /// a terminal.
        fn no_environment(mut self) { self.environment = false }
    }
}

impl Observer {
    /// Starts to build an observer for the service with this name.
    pub fn builder(service: impl Into<String>) -> ObserverBuilder {
        ObserverBuilder::new(service.into())
    }
}

impl ObserverBuilder {
    pub(crate) fn new(service: String) -> Self {
        Self { service, ..Self::defaults(None) }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn last_sink(mut self, sink: impl RecordSink, on_responded: OnResponded) -> Self {
        self.last_sink = Some((Box::new(sink), on_responded));
        self
    }
}

/// Returns all endpoints with their default paths.
fn default_paths() -> Vec<(Endpoint, String)> {
    Endpoint::ALL.iter().map(|endpoint| (*endpoint, endpoint.default_path().to_owned())).collect()
}

impl fmt::Debug for ObserverBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObserverBuilder").field("service", &self.service).finish_non_exhaustive()
    }
}
