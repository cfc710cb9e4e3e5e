//! The last step of a builder: it makes the observer from the settings.

use std::{mem, sync::Arc};

use crate::{
    base::{build_error::BuildError, environment::Environment},
    builder::{ObserverBuilder, built_in::VARIABLES, validation},
    extension::{
        installation::Extension,
        internal_metrics::InternalMetrics,
        setup::{Parts, Setup},
        sink::Sinks,
    },
    http::found_headers::HeaderNameSet,
    observer::{Observer, Times},
    record::{
        dependency::DependencyTable,
        id_policy::IdPolicy,
        internal_hosts::InternalHosts,
        known_database::KnownDatabase,
        policy::{LateWrites, Policy},
        repeated::RepeatedQueries,
        route::RouteTable,
        service::Service,
    },
    redact::diagnostics,
    request::panic_hook,
};

#[cfg(not(feature = "testing"))]
use crate::record::policy::OnResponded;

impl ObserverBuilder {
    /// Checks the settings and makes the observer. Starts the threads of its outputs.
    ///
    /// # Errors
    /// Returns an error for the first invalid setting, or for the first extension that cannot be
    /// installed.
    pub fn build(self) -> Result<Observer, BuildError> {
        // Programs print this error, and the value may be a URL with a password.
        self.make().map_err(|mut error| {
            error.value = diagnostics::masked(&error.value);
            error
        })
    }

    fn make(mut self) -> Result<Observer, BuildError> {
        // No field is moved out of the builder. So after an error, one call drops all of it.
        let environment = if self.environment { Environment::process() } else { Environment::none() };
        let (extensions, built_in) = self.prepare(&environment)?;
        let service = self.service();
        let trusted_proxies = self.parsed_proxies();
        let known_methods = self.parsed_methods().unwrap_or_default();
        let redactor = mem::take(&mut self.redaction).build()?;

        let internal = Arc::<InternalMetrics>::default();
        let late_writes = internal.counter(
            "obs_late_writes_total",
            "Fields and errors written to a request that had ended.",
            &[],
        );
        let paths = mem::take(&mut self.endpoints);
        let mut setup = Setup {
            service: &service,
            redactor: &redactor,
            internal: &internal,
            environment: &environment,
            paths: &paths,
            parts: Parts::default(),
            name: String::new(),
        };
        let own = extensions.iter().take(built_in);
        let built_in_names: Vec<_> = own.map(|extension| extension.name().to_owned()).collect();
        let mut extensions = extensions.into_iter();
        let on_responded = self.last_sink.take().map(|(sink, on_responded)| {
            setup.boxed_sink(sink);
            on_responded
        });
        #[cfg(not(feature = "testing"))]
        let _: Option<OnResponded> = on_responded;
        extensions.by_ref().take(built_in).try_for_each(|extension| setup.install(extension))?;
        setup.parts.own_sinks = setup.parts.sinks.len();
        mem::take(&mut self.sinks).into_iter().for_each(|sink| setup.boxed_sink(sink));
        extensions.try_for_each(|extension| setup.install(extension))?;
        setup.run_late_steps()?;
        let mut parts = setup.parts;
        parts.start_hook = self.start_hook.take();
        parts.exclusions.routes = mem::take(&mut self.excluded_routes);
        validation::parts(&parts, &built_in_names)?;
        environment.warn_of_unknown(VARIABLES);
        environment.take_warnings().iter().for_each(|warning| diagnostics::warn(format_args!("{warning}")));

        let recorded_headers = mem::take(&mut parts.recorded_headers);
        let header_names = (recorded_headers.iter().map(AsRef::as_ref))
            .chain(self.request_id_headers.iter().map(String::as_str))
            .fold(HeaderNameSet::KNOWN, HeaderNameSet::with);
        let mut ids =
            IdPolicy::new(mem::take(&mut self.request_id_headers), self.trust_inbound, self.generator.take());
        ids.in_request = self.request_id_in_request;
        ids.keep_of_response = self.keep_response_id;
        let policy = Policy {
            service: Arc::new(service),
            redactor,
            identities: mem::take(&mut parts.identities),
            recorded_headers,
            header_names,
            ids,
            panic_policy: mem::take(&mut self.panic_policy),
            public_endpoint: self.public_endpoint.take(),
            classifier: self.classifier.take(),
            trace_header: self.trace_header,
            known_methods,
            propagators: self.propagators,
            trusted_proxies,
            routes: RouteTable::new(mem::take(&mut parts.exclusions), mem::take(&mut self.route_groups)),
            dependencies: DependencyTable::new(),
            internal_hosts: InternalHosts::new(&self.internal_hosts),
            database: self.database.as_deref().and_then(KnownDatabase::parse),
            repeated_queries: RepeatedQueries::new(self.repeated_queries),
            outputs: None,
            late_writes: LateWrites::new(late_writes),
            #[cfg(feature = "logs")]
            tracing_span: parts.tracing_span,
            #[cfg(feature = "testing")]
            on_responded,
        };
        let (drain, delay_is_set) = (self.drain(), self.drain_delay.is_some());
        let sinks = Sinks::new(mem::take(&mut parts.sinks), &internal);
        let times = Times { drain, delay_is_set, stall: self.stall_timeout };
        let observer = Observer::new(policy, times, sinks, parts);
        if self.panic_hook {
            panic_hook::install(&observer);
        }
        Ok(observer)
    }

    /// Reads the environment and rejects the first invalid setting. Returns all extensions, and the
    /// number of built-in ones, which come first.
    pub(super) fn prepare(
        &mut self,
        environment: &Environment,
    ) -> Result<(Vec<Box<dyn Extension>>, usize), BuildError> {
        self.read_environment(environment)?;
        let mut extensions = self.built_in();
        let built_in = extensions.len();
        extensions.append(&mut self.extensions);
        validation::names(&extensions)?;
        if environment.is_read() {
            extensions.iter_mut().try_for_each(|extension| extension.configure(environment))?;
        }
        self.validate(environment)?;
        extensions.iter().try_for_each(|extension| extension.check(environment))?;
        Ok((extensions, built_in))
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
