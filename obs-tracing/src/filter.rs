//! The filter of the layer: the level of each target.

use std::sync::Arc;

use obs_core::{LogLevel, LogLevels};
use tracing::{Level, Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::layer::{Context, Filter};

use crate::query::{is_query, is_query_span, is_request_span};

/// A filter that accepts the lines and spans that the observer's levels allow, and the event of a
/// query of sqlx.
///
/// It answers `sometimes` for an accepted call site, never `always`. A call site that is cached as
/// `always` would skip the other filters, and the layers behind them would lose lines.
#[derive(Debug)]
pub struct Levels {
    pub(crate) levels: Arc<LogLevels>,
    /// True if the queries of sqlx are recorded.
    pub(crate) queries: bool,
}

impl Levels {
    fn accepts(&self, metadata: &Metadata<'_>) -> bool {
        self.levels.wants(metadata.target(), level(*metadata.level()))
            || self.queries && (is_query(metadata) || is_query_span(metadata) || is_request_span(metadata))
    }
}

impl<S> Filter<S> for Levels {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.accepts(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.accepts(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let lines = most(&self.levels);
        // sqlx has this level for queries that are not slow.
        Some(if self.queries { lines.max(LevelFilter::DEBUG) } else { lines })
    }
}

/// The least severe level of lines.
pub(crate) fn most(levels: &LogLevels) -> LevelFilter {
    levels.most().map_or(LevelFilter::OFF, |most| LevelFilter::from_level(level_of_tracing(most)))
}

/// The level of a line of `tracing`.
pub(crate) const fn level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}

const fn level_of_tracing(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}
