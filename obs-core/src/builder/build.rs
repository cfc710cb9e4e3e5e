//! Makes the observer from its settings.

use std::sync::{Arc, atomic::AtomicU64};

use super::ObserverBuilder;
#[cfg(feature = "otel")]
use crate::outputs::otel::sink::SpanSink;
use crate::{
    base::{build_error::BuildError, environment::Environment},
    endpoints::{Endpoints, health::Health, scrape::Scrapes},
    http::wanted::Names,
    observer::{Inner, Observer, drain::Drain},
    outputs::{
        events::{EventPipeline, keep::Keep, settings::Events},
        metrics::{MetricSink, registry::Bridge},
        sink::{RecordSink, Sinks},
    },
    record::{
        identity::IdentityPolicy,
        policy::{LateWrites, Policy},
        request_id::IdPolicy,
        route::{Exclusions, RouteTable},
        service::Service,
    },
    request::panic_hook,
};

impl ObserverBuilder {
    /// Checks the settings and makes the observer. Starts the thread that writes events.
    ///
    /// # Errors
    /// The first invalid setting, or the first output that cannot be opened.
    pub fn build(mut self) -> Result<Observer, BuildError> {
        let environment = if self.environment { Environment::process() } else { Environment::none() };
        self.read_environment(&environment)?;
        self.validate(&environment)?;
        let service = self.service();
        let trusted_proxies = self.parsed_proxies();
        let known_methods = self.parsed_methods().unwrap_or_default();
        let metrics = Arc::new(MetricSink::new(&self.metrics));
        let own = metrics.own();
        let redactor = self.redaction.build()?;
        let Events { outputs, rules, sample_rate, excluded, headers, client_address, user, hash_key } =
            self.events;
        let headers: Vec<Arc<str>> = headers.iter().map(|name| name.to_ascii_lowercase().into()).collect();
        let identities = IdentityPolicy::new(client_address, user, hash_key.as_deref());
        let keep = Keep { rules, rate: sample_rate };
        let events = EventPipeline::start(outputs, keep, &service, own).map_err(|error| {
            let setting = environment.name_of(&["OBS_EVENTS"], &["events"]);
            let expected = "outputs that can be opened, and a thread for each";
            BuildError::new(setting, error.to_string(), expected).with_source(error)
        })?;
        let events = events.map(Arc::new);
        #[cfg(feature = "otel")]
        let tracing = match self.otel {
            Some(otel) => Some(Arc::new(otel.build(&service, own, &environment)?)),
            None => None,
        };
        // The metrics come before all others of ours: see `Sinks::on_finish`.
        let mut sinks: Vec<Box<dyn RecordSink>> = self.told_last.into_iter().collect();
        sinks.push(Box::new(Arc::clone(&metrics)));
        sinks.extend(events.clone().map(|events| Box::new(events) as Box<dyn RecordSink>));
        #[cfg(feature = "otel")]
        sinks.extend(tracing.as_ref().map(|tracing| {
            let sink = SpanSink::new(Arc::clone(tracing));
            Box::new(sink) as Box<dyn RecordSink>
        }));
        sinks.extend(self.sinks);
        let sinks = Sinks::new(sinks, own);
        let health = Health::default().starting(self.starting);
        #[cfg(feature = "tokio")]
        let health = health.checks(self.checks);
        let late_writes = own.counter(
            "obs_late_writes_total",
            "Fields and errors written to a request that had ended.",
            &[],
        );
        // Last: by now all our metrics exist, and nothing else fails that would leave them in a user's registry.
        let registry = self.metrics.registry.unwrap_or_default();
        let bridge = Bridge::new(registry, Arc::clone(&metrics)).map_err(|error| {
            let expected =
                "a registry that no other observer uses and that has no metric of one of our names";
            BuildError::new("registry", error.to_string(), expected).with_source(error)
        })?;
        let scrapes = Scrapes::new(bridge);
        environment.emit_warnings();
        let header_names = (headers.iter().map(AsRef::as_ref))
            .chain(self.request_id_headers.iter().map(String::as_str))
            .fold(Names::KNOWN, Names::with);
        let policy = Policy {
            service: Arc::new(service),
            redactor,
            identities,
            recorded_headers: headers,
            header_names,
            ids: IdPolicy::new(self.request_id_headers, self.trust_inbound, self.generator),
            panic_policy: self.panic_policy,
            public_endpoint: self.public_endpoint,
            trace_header: self.trace_header,
            known_methods,
            propagators: self.propagators,
            trusted_proxies,
            routes: RouteTable::new(Exclusions { metrics: self.metrics.excluded, events: excluded }),
            late_writes: LateWrites::new(late_writes),
        };
        let endpoints = Endpoints::new(self.endpoints.into_iter().flatten(), health, scrapes);
        let observer = Observer::new(Inner {
            policy: Arc::new(policy),
            events,
            drain: Drain { delay: self.drain_delay, timeout: self.drain_timeout },
            #[cfg(feature = "otel")]
            tracing,
            endpoints: Arc::new(endpoints),
            metrics,
            sinks,
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
