//! A log line, as the application wrote it, and as the outputs get it.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::{
    base::value::Value,
    http::thread_routes,
    record::{
        enrichment::ExpectedRoute, fields::Fields, log_level::LogLevel, route::Route, start::Start,
        state::WorkState,
    },
    trace::ids::SpanId,
    work::handle::Work,
};

/// A line that the application logs, for [`LogPipeline::write`](crate::output::LogPipeline::write).
///
/// ```
/// use obs_core::{LogLevel, Observer, current, output::LogLine};
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let line = LogLine::new(LogLevel::Info, "shop::orders", "order placed")
///     .of(current())
///     .field("order.id", 7);
/// observer.log_pipeline().write(line);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub struct LogLine<'a> {
    pub(super) level: LogLevel,
    pub(super) target: &'a str,
    pub(super) message: Cow<'a, str>,
    pub(super) fields: Vec<(Cow<'static, str>, Value)>,
    pub(super) source: Option<(&'a str, Option<u32>)>,
    pub(super) work: Work,
}

impl<'a> LogLine<'a> {
    /// Creates a line with a level, a target and a message. The message may be empty.
    #[must_use]
    pub fn new(level: LogLevel, target: &'a str, message: impl Into<Cow<'a, str>>) -> Self {
        Self { level, target, message: message.into(), fields: Vec::new(), source: None, work: Work::none() }
    }

    /// Adds a field. A later field with the same name replaces it.
    #[must_use]
    pub fn field(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// Adds fields.
    #[must_use]
    pub fn fields(mut self, fields: Vec<(Cow<'static, str>, Value)>) -> Self {
        if self.fields.is_empty() {
            self.fields = fields;
        } else {
            self.fields.extend(fields);
        }
        self
    }

    /// Sets the file and the line of the source code.
    #[must_use]
    pub const fn source(mut self, file: &'a str, line: Option<u32>) -> Self {
        self.source = Some((file, line));
        self
    }

    /// Sets the work in which the line is written. Without this call, the line has no ids.
    #[must_use]
    pub fn of(mut self, work: Work) -> Self {
        self.work = work;
        self
    }
}

impl fmt::Debug for LogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, target, .. } = self;
        f.debug_struct("LogLine").field("level", level).field("target", target).finish_non_exhaustive()
    }
}

/// A line without secrets, with everything that an output needs.
pub(super) struct MaskedLine<'a> {
    pub(super) since_1970: Duration,
    pub(super) level: LogLevel,
    pub(super) target: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: Fields,
    pub(super) source: Option<(&'a str, Option<u32>)>,
    pub(super) work: Option<LineWork<'a>>,
    /// True if the line was collected, and is written after the fact.
    pub(super) collected: bool,
}

/// The work in which a line was written.
pub(super) struct LineWork<'a> {
    pub(super) start: &'a Start,
    /// The innermost span.
    pub(super) span_id: SpanId,
    pub(super) route: Option<Route>,
    /// True if the work had ended before.
    pub(super) ended: bool,
}

impl<'a> LineWork<'a> {
    /// Reads the work. `chosen` are the names of its fields that lines contain; they are added to
    /// `fields`.
    pub(super) fn of(
        state: &'a WorkState,
        innermost: &WorkState,
        chosen: &[Arc<str>],
        fields: &mut Fields,
    ) -> Self {
        let expected = expected_route(state);
        let enrichment = state.lock();
        for name in chosen {
            if let Some(value) = enrichment.fields.get(name) {
                fields.set(name.to_string().into(), value.clone());
            }
        }
        let route = enrichment.route.clone().or(expected);
        let span_id = innermost.start.trace.span_id;
        Self { start: &state.start, span_id, route, ended: enrichment.finished }
    }
}

/// Returns the route of the path, if the framework names the route only with its response. It is
/// looked up once for each request, without the lock, because the look-up is the framework's code.
fn expected_route(state: &WorkState) -> Option<Route> {
    let routes = match &state.lock().expected_route {
        ExpectedRoute::Unknown => return None,
        ExpectedRoute::Found(route) => return Some(route.clone()),
        ExpectedRoute::OnThread(routes) => *routes,
    };
    let found = thread_routes::find(routes, state.request().path())?;
    let route = found.and_then(|template| state.policy.routes.intern(&template));
    let mut enrichment = state.lock();
    if !enrichment.finished {
        enrichment.expected_route = route.clone().map_or(ExpectedRoute::Unknown, ExpectedRoute::Found);
    }
    route
}
