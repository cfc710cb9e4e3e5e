//! The bridge to a `prometheus::Registry`. Our metrics are a collector in the registry, and our
//! page shows the other metrics of the registry.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus::{
    Registry,
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};

use super::{
    MetricSink,
    exposition::{invalid_samples::remove_invalid_samples, openmetrics::is_legal},
    family::{Family, LabelSet, Sample},
    proto::{kind, labels, to_proto, value},
    registered::RegisteredMetrics,
};
use crate::base::{build_error::BuildError, panic::catch, thread_timeout::run_with_timeout};

thread_local! {
    /// The observer for whose page this thread gathers: the address of its metrics, or 0 for none.
    /// Meanwhile, a user's collector may gather another registry with another observer's metrics,
    /// or show another observer's page.
    static PAGE_OF: Cell<usize> = const { Cell::new(0) };
}

/// The timestamp of the first placeholder, which no collector uses.
///
/// For our own page, our collector returns only a placeholder for each family. Its timestamp is
/// this value plus the number of the family. The registry adds its prefix and its labels to the
/// placeholder. Then the encoder replaces the placeholder by the family, with the data that the
/// registry's types cannot contain: exemplars, units and times of creation.
const PLACEHOLDER: i64 = i64::MIN;

/// Our metrics as a collector, and the registry that contains it.
pub(crate) struct Bridge {
    registry: Registry,
    metrics: Arc<MetricSink>,
    /// The names and common labels that the registry last gave to our families.
    given: Mutex<Vec<(String, LabelSet)>>,
}

struct OurCollector {
    metrics: Arc<MetricSink>,
    descs: Vec<Desc>,
}

impl Bridge {
    /// Registers our metrics in `registry`.
    fn register(
        registry: Registry,
        metrics: &Arc<MetricSink>,
    ) -> prometheus::Result<Arc<dyn RegisteredMetrics>> {
        registry.register(OurCollector::boxed(metrics)?)?;
        Ok(Arc::new(Self { registry, metrics: Arc::clone(metrics), given: Mutex::default() }))
    }

    /// Registers our metrics in a new registry.
    pub(crate) fn of_new_registry(metrics: &Arc<MetricSink>) -> Arc<dyn RegisteredMetrics> {
        Self::register(Registry::new(), metrics)
            .unwrap_or_else(|error| unreachable!("an empty registry accepts our metrics: {error}"))
    }

    /// Registers our metrics in a registry of the application.
    ///
    /// # Errors
    /// The registry already contains them, for example those of another observer, or a metric with
    /// one of their names.
    pub(crate) fn of_used_registry(
        registry: &Registry,
        metrics: &Arc<MetricSink>,
    ) -> Result<Arc<dyn RegisteredMetrics>, BuildError> {
        Self::register(registry.clone(), metrics).map_err(|refused| {
            let ours = metrics.families();
            let taken =
                registry.gather().into_iter().find(|family| ours.iter().any(|own| own.name == family.name()));
            let value = match taken {
                Some(family) => format!("a registry with the metric {}", family.name()),
                // A metric without samples is not in the list.
                None => refused.to_string(),
            };
            let expected =
                "a registry that no other observer uses and that contains no metric with one of our names";
            BuildError::new("registry", value, expected).with_source(refused)
        })
    }

    /// Returns our families without gathering the registry, with the names and labels of the last
    /// time.
    fn with_last_names(&self, ours: Vec<Option<Family>>) -> Vec<Family> {
        let mut families: Vec<_> = ours.into_iter().flatten().collect();
        for (family, (name, common)) in families.iter_mut().zip(&*self.lock_given()) {
            if !name.is_empty() {
                family.name = name.clone().into();
                family.common = Arc::clone(common);
            }
        }
        families
    }

    fn lock_given(&self) -> MutexGuard<'_, Vec<(String, LabelSet)>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn family(
        &self,
        gathered: &MetricFamily,
        ours: &mut [Option<Family>],
        given: &mut [Option<(String, LabelSet)>],
    ) -> Family {
        let mut family: Option<Family> = None;
        let mut others = Vec::new();
        for metric in gathered.get_metric() {
            let number = metric.timestamp_ms().wrapping_sub(PLACEHOLDER);
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            match ours.get_mut(number).and_then(Option::take) {
                Some(mut own) => {
                    own.name = gathered.name().to_owned().into();
                    own.common = labels(metric);
                    if let Some(given) = given.get_mut(number) {
                        *given = Some((gathered.name().to_owned(), own.common.clone()));
                    }
                    family = Some(own);
                }
                None => others.push(metric),
            }
        }
        let kind = kind(gathered.get_field_type());
        let mut family = family.unwrap_or_else(|| Family {
            name: gathered.name().to_owned().into(),
            help: gathered.help().to_owned().into(),
            kind,
            unit: None,
            source: None,
            samples: Vec::new(),
            common: LabelSet::default(),
            own: false,
            others: true,
        });
        for metric in others {
            match value(kind, metric) {
                // A foreign metric with one of our names must have our kind, so that our family
                // stays valid.
                Some(value) if family.kind == kind && (!family.own || is_legal(kind, &value)) => {
                    family.others = true;
                    family.samples.push(Sample {
                        labels: labels(metric),
                        value,
                        created: None,
                        timestamp: Some(metric.timestamp_ms()).filter(|time| *time != 0),
                    });
                }
                _ => self.metrics.skipped(
                    "the registry contains a metric whose type cannot be shown, so /metrics skips it",
                ),
            }
        }
        if family.others {
            remove_invalid_samples(&mut family, &|what| self.metrics.skipped(what));
        }
        family
    }
}

impl RegisteredMetrics for Bridge {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn families(&self) -> Vec<Family> {
        let gathered = catch(|| {
            struct Back(usize);
            impl Drop for Back {
                fn drop(&mut self) {
                    PAGE_OF.set(self.0);
                }
            }
            let _back = Back(PAGE_OF.replace(address(&self.metrics)));
            self.registry.gather()
        });
        let mut ours: Vec<_> = self.metrics.families().into_iter().map(Some).collect();
        let Ok(gathered) = gathered else {
            self.metrics
                .skipped("a collector of the registry panicked, so /metrics shows only our own metrics");
            return self.with_last_names(ours);
        };
        let mut given: Vec<_> = (0..ours.len()).map(|_| None).collect();
        // Families are converted one by one, so that two copies of the user's never exist.
        let families =
            gathered.into_iter().map(|gathered| self.family(&gathered, &mut ours, &mut given)).collect();
        *self.lock_given() = given.into_iter().map(Option::unwrap_or_default).collect();
        families
    }

    /// Works on a separate thread. A stuck collector holds the registry's lock, and it must not
    /// block the drop of the last observer.
    fn unregister(self: Arc<Self>) {
        const TIMEOUT: Duration = Duration::from_secs(1);
        let unregister = move || {
            if let Ok(collector) = OurCollector::boxed(&self.metrics) {
                let _ = self.registry.unregister(collector);
            }
        };
        run_with_timeout("obs-unregister", TIMEOUT, Box::new(unregister));
    }
}

impl OurCollector {
    fn boxed(metrics: &Arc<MetricSink>) -> prometheus::Result<Box<dyn Collector>> {
        let mut descs = Vec::new();
        for family in metrics.families() {
            // A registry refuses an empty help.
            let help = Some(family.help.into_owned()).filter(|help| !help.is_empty());
            let (name, help) = (family.name.into_owned(), help.unwrap_or_else(|| " ".to_owned()));
            descs.push(Desc::new(name, help, Vec::new(), HashMap::new())?);
        }
        Ok(Box::new(Self { metrics: Arc::clone(metrics), descs }))
    }
}

impl Collector for OurCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if PAGE_OF.get() == address(&self.metrics) {
            return self
                .descs
                .iter()
                .zip(PLACEHOLDER..)
                .map(|(desc, time)| placeholder(desc, time))
                .collect();
        }
        self.metrics.families().iter().map(to_proto).collect()
    }
}

fn address(metrics: &Arc<MetricSink>) -> usize {
    Arc::as_ptr(metrics).addr()
}

fn placeholder(desc: &Desc, time: i64) -> MetricFamily {
    let mut metric = Metric::default();
    metric.set_timestamp_ms(time);
    let mut family = MetricFamily::default();
    family.set_name(desc.fq_name.clone());
    family.set_metric(vec![metric]);
    family
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicBool, Ordering},
            mpsc::{self, Receiver, Sender},
        },
        thread,
    };

    use super::*;
    use crate::{observer::Observer, outputs::metrics::settings::Metrics};

    /// A collector of one gauge that first runs a function.
    struct First<F>(Desc, F);

    impl<F: Fn() + Send + Sync> Collector for First<F> {
        fn desc(&self) -> Vec<&Desc> {
            vec![&self.0]
        }
        fn collect(&self) -> Vec<MetricFamily> {
            (self.1)();
            Vec::new()
        }
    }

    fn first(does: impl Fn() + Send + Sync + 'static) -> Box<dyn Collector> {
        let desc = Desc::new("first".to_owned(), "Help.".to_owned(), Vec::new(), HashMap::new());
        Box::new(First(desc.expect("valid"), does))
    }

    fn observer(registry: &Registry) -> Observer {
        let metrics = Metrics::new().registry(registry.clone());
        Observer::builder("test").no_environment().metrics(metrics).build().expect("valid")
    }

    #[test]
    fn a_stuck_collector_does_not_block_the_drop_of_an_observer() {
        let registry = Registry::new();
        let observer = observer(&registry);
        let ((hang, hung), (entered, enters)): ((Sender<()>, Receiver<()>), _) =
            (mpsc::channel(), mpsc::channel());
        let hung = Mutex::new(hung);
        registry
            .register(first(move || {
                let _ = entered.send(());
                let _ = hung.lock().unwrap_or_else(PoisonError::into_inner).recv();
            }))
            .expect("a new name");
        let gathers = thread::spawn(move || registry.gather());
        enters.recv().expect("it is being gathered");
        let (send, dropped) = mpsc::channel();
        thread::spawn(move || {
            drop(observer);
            send.send(())
        });
        dropped.recv_timeout(Duration::from_secs(60)).expect("it does not wait for the collector");
        drop(hang);
        gathers.join().expect("no panic");
    }

    #[test]
    fn a_page_shows_the_same_metrics_without_a_registry() {
        let observer = Observer::builder("test").no_environment().build().expect("valid");
        observer.route("GET", "/items");
        let before = observer.metrics_text();
        assert!(before.contains(r#"http_requests_total{method="GET",endpoint="/items",status="200"} 0"#));
        assert!(!observer.registry().gather().is_empty());
        assert_eq!(observer.metrics_text(), before);
    }

    #[test]
    fn our_families_keep_their_names_if_a_collector_panics() {
        let labels = HashMap::from([("env".to_owned(), "test".to_owned())]);
        let registry = Registry::new_custom(Some("api".to_owned()), Some(labels)).expect("valid");
        let observer = observer(&registry);
        observer.route("GET", "/items");
        let panics = Arc::new(AtomicBool::new(false));
        let panicking = Arc::clone(&panics);
        let collector = first(move || assert!(!panicking.load(Ordering::SeqCst), "on purpose"));
        registry.register(collector).expect("a new name");
        let line = r#"api_http_requests_total{method="GET",endpoint="/items",status="200",env="test"} 0"#;
        assert!(observer.metrics_text().contains(line), "{}", observer.metrics_text());
        panics.store(true, Ordering::SeqCst);
        let text = observer.metrics_text();
        assert!(text.contains(line), "{text}");
        assert!(observer.metrics_text().contains("api_obs_metrics_left_out_total{env=\"test\"} 1"));
    }
}
