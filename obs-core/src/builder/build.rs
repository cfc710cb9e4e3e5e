//! Makes the observer of its settings.

use std::sync::{Arc, atomic::AtomicU64};

use super::ObserverBuilder;
#[cfg(feature = "otel")]
use crate::outputs::otel::sink::SpanSink;
use crate::{
    base::{build_error::BuildError, diagnostics},
    endpoints::{Endpoints, health::Health, scrape::Scrapes},
    http::wanted::Names,
    observer::{Inner, Observer},
    outputs::{
        events::{EventPipeline, settings::Events},
        metrics::{MetricSink, gatherer::Gatherer},
        sink::{RecordSink, Sinks},
    },
    record::{
        identity::IdentityPolicy,
        policy::{LateWrites, Policy},
        request_id::IdPolicy,
        route::{Exclusions, RouteTable},
    },
    request::panic_hook,
};

impl ObserverBuilder {
    /// Checks the settings and makes the observer. Starts the thread that writes events.
    ///
    /// # Errors
    /// Names the first setting that cannot be.
    pub fn build(mut self) -> Result<Observer, BuildError> {
        if self.environment {
            self.read_environment(|name| std::env::var(name).ok())?;
        }
        self.validate()?;
        let trusted_proxies = self.parsed_proxies()?;
        let known_methods = self.parsed_methods()?;
        let metrics = Arc::new(MetricSink::new(&self.metrics));
        let own = metrics.own();
        let redactor = self.redaction.build()?;
        let Events { outputs, keep, excluded, headers, client_address, user, hash_key } = self.events;
        let headers: Vec<Arc<str>> = headers.iter().map(|name| name.to_ascii_lowercase().into()).collect();
        let identities = IdentityPolicy::new(client_address, user, hash_key.as_deref());
        let events = EventPipeline::start(outputs, keep, &self.service, own).map_err(|error| BuildError {
            setting: "events",
            value: error.to_string(),
            expected: "outputs that can be opened, and a thread for each",
        })?;
        let events = events.map(Arc::new);
        #[cfg(feature = "otel")]
        let tracing = match self.otel {
            Some(otel) => Some(Arc::new(otel.build(&self.service, own)?)),
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
        let scrapes = Scrapes::new(Gatherer::new(&self.metrics, Arc::clone(&metrics))?);
        for warning in self.warnings {
            diagnostics::warn(format_args!("{warning}"));
        }
        let header_names = (headers.iter().map(AsRef::as_ref))
            .chain(self.request_id_headers.iter().map(String::as_str))
            .fold(Names::KNOWN, Names::with);
        let policy = Policy {
            service: Arc::new(self.service),
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
            drain: self.drain,
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
}
