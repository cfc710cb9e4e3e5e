//! The table of all settings.

#[cfg(feature = "otel")]
use crate::outputs::otel::settings::Otel;
use crate::{
    base::settings::{Row, Setting},
    builder::ObserverBuilder,
    observer::Observer,
    outputs::{
        events::{file::EventFile, output::EventOutput, settings::Events},
        metrics::settings::Metrics,
    },
    redact::settings::Redaction,
};

/// The rows of each type that has settings.
const GROUPS: &[&[Row]] = &[
    ObserverBuilder::ROWS,
    Metrics::ROWS,
    Events::ROWS,
    EventOutput::ROWS,
    EventFile::ROWS,
    Redaction::ROWS,
    #[cfg(feature = "otel")]
    Otel::ROWS,
];

impl Observer {
    /// Lists all settings of [`ObserverBuilder`] and of the types that it takes.
    ///
    /// ```
    /// let mut settings = obs_core::Observer::settings();
    /// let limit = settings.find(|setting| setting.method == Some("series_limit")).unwrap();
    /// assert_eq!((limit.group, limit.default), ("Metrics", "2,000"));
    /// ```
    pub fn settings() -> impl Iterator<Item = Setting> + Clone {
        GROUPS.iter().copied().flatten().flat_map(Row::settings)
    }
}
