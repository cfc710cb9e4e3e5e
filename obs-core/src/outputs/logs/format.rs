//! The formats of log lines.

use super::{
    cloud, ecs,
    json::{self, ServiceMembers},
    line::MaskedLine,
    readable::{self, Columns},
};
use crate::{record::service::Service, write::buffer};

/// The format of log lines.
///
/// ```
/// use obs_core::{LogFormat, LogOutput};
/// let for_elasticsearch = LogOutput::stdout().format(LogFormat::Ecs);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// One JSON object per line, with the names of the events.
    Json,
    /// An aligned line in colours, for people. It is the default if standard output is a terminal.
    Readable,
    /// The Elastic Common Schema, for Elasticsearch. The fields of a line are in `labels`.
    Ecs,
    /// The names of Google Cloud Logging.
    GoogleCloud,
}

impl LogFormat {
    /// Parses the value of `OBS_LOG_FORMAT`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "readable" => Some(Self::Readable),
            "ecs" => Some(Self::Ecs),
            "google-cloud" => Some(Self::GoogleCloud),
            _ => None,
        }
    }
}

/// A format with what it needs besides the line.
pub(super) enum LineStyle {
    Json(ServiceMembers),
    Readable(Columns),
    Ecs,
    /// The project, if it is known.
    GoogleCloud(Option<String>),
    /// A message for a collector.
    #[cfg(feature = "otlp")]
    Otlp,
}

impl LineStyle {
    /// Writes a line, with its line feed, and passes it to `push`.
    pub(super) fn write(&self, line: &MaskedLine<'_>, service: &Service, push: impl FnOnce(&[u8])) {
        match self {
            Self::Readable(columns) => push(&readable::line(line, columns, service)),
            Self::Json(own) => buffer::with_written(|out| json::write(out, line, service, own), push),
            Self::Ecs => buffer::with_written(|out| ecs::write(out, line, service), push),
            #[cfg(feature = "otlp")]
            Self::Otlp => buffer::with_written(|out| super::otlp::write(out, line, None), push),
            Self::GoogleCloud(project) => {
                buffer::with_written(|out| cloud::write(out, line, service, project.as_deref()), push);
            }
        }
    }
}
