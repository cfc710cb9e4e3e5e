//! The formats of a page.

/// The formats of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0. Older servers request it with the version of its draft.
    OpenMetrics { draft: bool },
}

impl Format {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics { draft: false } => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
            Self::OpenMetrics { draft: true } => "application/openmetrics-text; version=0.0.1; charset=utf-8",
        }
    }
}
