//! The last step of a builder: it makes the observer from the settings.

use crate::{
    base::{build_error::BuildError, environment::Environment},
    builder::{ObserverBuilder, validation},
    endpoints::{Endpoints, health::Health, scrape::Scrapes},
    extension::{
        internal_metrics::InternalMetrics,
        setup::{Parts, Setup},
        sink::Sinks,
    },
    http::found_headers::HeaderNameSet,
    observer::{Inner, Observer, drain::Drain},
    outputs::metrics::{MetricSink, gatherer::Gatherer},
    record::{
        id_policy::IdPolicy,
        policy::{LateWrites, Policy},
        route::{Exclusions, RouteTable},
        service::Service,
    },
    request::panic_hook,
};
use std::{
    mem,
    sync::{Arc, atomic::AtomicU64},
};

impl ObserverBuilder {
    /// Checks the settings and makes the observer. Starts the threads of its outputs.
    ///
    /// # Errors
    /// Returns an error for the first invalid setting.
    pub fn build(mut self) -> Result<Observer, BuildError> {
        let environment = if self.environment { Environment::process() } else { Environment::none() };
        self.read_environment(&environment)?;
        self.validate(&environment)?;
        let service = self.service();
        let trusted_proxies = self.parsed_proxies();
        let known_methods = self.parsed_methods().unwrap_or_default();
        let redactor = self.redaction.build()?;

        let exclusions = Exclusions {
            metrics: mem::take(&mut self.metrics.excluded),
            events: mem::take(&mut self.events.excluded),
        };
        let identities = self.events.identities();
        let headers = mem::take(&mut self.events.headers);
        let recorded_headers: Vec<Arc<str>> =
            headers.iter().map(|name| name.to_ascii_lowercase().into()).collect();

        let internal = Arc::<InternalMetrics>::default();
        let mut setup = Setup {
            service: &service,
            redactor: &redactor,
            internal: &internal,
            environment: &environment,
            parts: Parts::default(),
            name: String::new(),
        };
        // The metrics are the first of ours: see `Sinks::on_finish`.
        setup.parts.sinks.extend(self.last_sink);
        let metric_settings = self.metrics.clone();
        setup.install(Box::new(self.metrics))?;
        setup.install(Box::new(self.events))?;
        #[cfg(feature = "otel")]
        if let Some(otel) = self.otel {
            setup.install(Box::new(otel))?;
        }
        setup.parts.own_sinks = setup.parts.sinks.len();
        setup.parts.sinks.extend(self.sinks);
        #[cfg(feature = "tokio")]
        setup.parts.checks.extend(self.checks);
        for extension in self.extensions {
            setup.install(extension)?;
        }
        let parts = setup.parts;
        let paths: Vec<_> = self.endpoints.into_iter().flatten().collect();
        validation::parts(&parts, &paths)?;

        let health = Health::default().starting(self.starting);
        #[cfg(feature = "tokio")]
        let health = health.checks(parts.checks);
        let Some(metrics) = parts.shared.get::<MetricSink>() else { unreachable!("metrics are installed") };
        let late_writes = internal.counter(
            "obs_late_writes_total",
            "Fields and errors written to a request that had ended.",
            &[],
        );
        let sinks = Sinks::new(parts.sinks, &internal);
        // This comes last. All our metrics exist now, and no later step can fail and leave them in
        // a user's registry.
        let scrapes = Scrapes::new(Gatherer::new(&metric_settings, Arc::clone(&metrics))?);
        environment.emit_warnings();
        let header_names = (recorded_headers.iter().map(AsRef::as_ref))
            .chain(self.request_id_headers.iter().map(String::as_str))
            .fold(HeaderNameSet::KNOWN, HeaderNameSet::with);
        let policy = Policy {
            service: Arc::new(service),
            redactor,
            identities,
            recorded_headers,
            header_names,
            ids: IdPolicy::new(self.request_id_headers, self.trust_inbound, self.generator),
            panic_policy: self.panic_policy,
            public_endpoint: self.public_endpoint,
            trace_header: self.trace_header,
            known_methods,
            propagators: self.propagators,
            trusted_proxies,
            routes: RouteTable::new(exclusions),
            late_writes: LateWrites::new(late_writes),
        };
        let observer = Observer::new(Inner {
            policy: Arc::new(policy),
            drain: Drain { delay: self.drain_delay, timeout: self.drain_timeout },
            #[cfg(feature = "otel")]
            tracing: parts.shared.get(),
            endpoints: Arc::new(Endpoints::new(paths, parts.endpoints, health, scrapes)),
            metrics,
            sinks,
            shutdown_steps: parts.shutdown_steps,
            reports: parts.reports,
            shared: parts.shared,
            tunnels: AtomicU64::new(0),
        });
        if self.panic_hook {
            panic_hook::install(&observer);
        }
        Ok(observer)
    }

    fn service(&self) -> Service {
        let mut service = Service::new(self.service.clone());
        service.version = self.service_version.clone();
        service.environment = self.deployment_environment.clone();
        if let Some(instance) = &self.service_instance {
            service.instance.clone_from(instance);
        }
        service
    }
}
