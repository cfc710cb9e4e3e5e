//! The built-in extensions, and the types of their settings.

use std::mem;

#[cfg(feature = "logs")]
use crate::outputs::logs::{output::LogOutput, settings::Logs};
#[cfg(feature = "metrics")]
use crate::outputs::metrics::settings::Metrics;
#[cfg(not(feature = "metrics"))]
use crate::outputs::no_metrics::NoMetrics;
#[cfg(not(feature = "otel"))]
use crate::outputs::no_spans::NoSpans;
#[cfg(feature = "otel")]
use crate::outputs::otel::{install::SpanExport, settings::Otel};
use crate::{
    base::settings::{Row, Setting},
    builder::ObserverBuilder,
    endpoints::health::HealthPages,
    extension::installation::Extension,
    observer::Observer,
    outputs::events::{output::EventOutput, settings::Events},
    redact::settings::Redaction,
};

/// A slice with the same constant of each type that has settings.
macro_rules! of_each_type {
    ($constant:ident) => {
        &[
            ObserverBuilder::$constant,
            #[cfg(feature = "metrics")]
            Metrics::$constant,
            Events::$constant,
            EventOutput::$constant,
            #[cfg(feature = "files")]
            crate::outputs::destination::file::EventFile::$constant,
            #[cfg(feature = "logs")]
            Logs::$constant,
            #[cfg(feature = "logs")]
            LogOutput::$constant,
            Redaction::$constant,
            #[cfg(feature = "otel")]
            Otel::$constant,
        ]
    };
}

/// The rows of all settings.
const ROWS: &[&[Row]] = of_each_type!(ROWS);

/// The names of the variables of all settings.
pub(super) const VARIABLES: &[&[&[&str]]] = of_each_type!(VARIABLES);

impl ObserverBuilder {
    /// Takes the built-in extensions, in the order of their installation. The metrics come first:
    /// [`Sinks::on_finish`](crate::extension::sink::Sinks::on_finish) says why.
    pub(super) fn built_in(&mut self) -> Vec<Box<dyn Extension>> {
        vec![
            #[cfg(feature = "metrics")]
            Box::new(mem::take(&mut self.metrics)),
            #[cfg(not(feature = "metrics"))]
            Box::new(NoMetrics),
            Box::new(mem::take(&mut self.events)),
            #[cfg(feature = "logs")]
            Box::new(mem::take(&mut self.logs)),
            #[cfg(feature = "otel")]
            Box::new(SpanExport(self.otel.take())),
            #[cfg(not(feature = "otel"))]
            Box::new(NoSpans),
            Box::new(HealthPages {
                starting: self.starting,
                #[cfg(feature = "tokio")]
                checks: mem::take(&mut self.checks),
            }),
        ]
    }
}

impl Observer {
    /// Lists all settings of [`ObserverBuilder`] and of the types that it takes.
    ///
    /// ```
    /// let mut settings = obs_core::Observer::settings();
    /// let limit = settings.find(|setting| setting.method == Some("series_limit")).unwrap();
    /// assert_eq!((limit.group, limit.default), ("Metrics", "2,000"));
    /// ```
    pub fn settings() -> impl Iterator<Item = Setting> + Clone {
        ROWS.iter().copied().flatten().flat_map(Row::settings)
    }
}
