//! Installation of metrics and their endpoint into an observer.

use std::{mem, sync::Arc};

use super::{
    MetricSink, custom_labels,
    gatherer::Gatherer,
    scrape::{Scrape, Scrapes},
    settings::Metrics,
};
use crate::{
    base::{build_error::BuildError, environment::Environment},
    extension::{installation::Extension, setup::Setup},
    http::{answer::EndpointFuture, head::RequestHead, method::Method},
    record::endpoint::Endpoint,
};

impl Extension for Metrics {
    fn name(&self) -> &str {
        "metrics"
    }

    fn configure(&mut self, environment: &Environment) -> Result<(), BuildError> {
        self.read_variables(environment)
    }

    fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_values(environment)
    }

    fn install(mut self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
        setup.parts.exclusions.metrics = mem::take(&mut self.excluded);
        setup.parts.exclusions.statuses_of_metrics = mem::take(&mut self.excluded_statuses);
        custom_labels::headers(&self, |name| setup.record_header(name));
        let metrics = Arc::new(MetricSink::new(&self, Arc::clone(setup.internal)));
        setup.share(Arc::clone(&metrics));
        setup.sink(Arc::clone(&metrics));
        // A registry gets the names of all our metrics at once, so all of them must exist by then.
        setup.when_all_are_installed(move |setup| {
            let scrapes = Arc::new(Scrapes::new(Gatherer::new(&self, metrics)?, self.page_timeout));
            setup.share(Arc::clone(&scrapes));
            let respond = move |head: &RequestHead<'_>| {
                let (scrape, method) = (Scrape::of(head), Method::parse(head.method));
                let scrapes = Arc::clone(&scrapes);
                EndpointFuture::new(async move { scrapes.answer(&scrape, method).await })
            };
            setup.own_page(Endpoint::Metrics, Box::new(respond));
            Ok(())
        });
        Ok(())
    }
}
