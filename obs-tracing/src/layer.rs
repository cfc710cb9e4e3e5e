//! The layer: it finds the request of each line and passes the line to the observer.

use std::{cell::Cell, fmt, sync::Arc};

use obs_core::{
    Observer, Work,
    adapter::{CallHead, WeakObserver},
    current,
    output::{LogLine, LogPipeline},
};
use tracing::{Dispatch, Event, Subscriber, span};
use tracing_log::NormalizeEvent;
use tracing_subscriber::{Layer, filter::Filtered, layer::Context, registry::LookupSpan};

use crate::{
    filter::{Levels, level},
    query::{SqlxQuery, is_query, is_query_span},
    refresh::Refresh,
    visitor::Collected,
};

/// The layer with its filter: the result of [`LogsExt::logs`].
pub type LogLayer<S> = Filtered<RequestLogs, Levels, S>;

/// The logs of an observer as a layer.
///
/// ```
/// use obs_core::Observer;
/// use obs_tracing::LogsExt;
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let subscriber = tracing_subscriber::registry().with(observer.logs());
/// tracing::subscriber::with_default(subscriber, || tracing::warn!("stock is low"));
/// assert!(observer.metrics_text().contains(r#"log_lines_total{level="warn"} 1"#));
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub trait LogsExt {
    /// Returns the layer that writes lines to this observer's outputs. Add it to one subscriber,
    /// once. From now on, a panic that no request records is a line, too.
    #[must_use]
    fn logs<S>(&self) -> LogLayer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>;
}

impl LogsExt for Observer {
    fn logs<S>(&self) -> LogLayer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        RequestLogs::new(self).with_levels()
    }
}

/// The layer without its filter. It passes lines to the observer.
pub struct RequestLogs {
    logs: Arc<LogPipeline>,
    observer: WeakObserver,
    pub(crate) refresh: Arc<Refresh>,
}

impl RequestLogs {
    pub(crate) fn new(observer: &Observer) -> Self {
        let refresh = Arc::new(Refresh::default());
        let changed = Arc::downgrade(&refresh);
        let logs = observer.log_pipeline();
        logs.write_panics();
        logs.levels().on_change(move || {
            if let Some(refresh) = changed.upgrade() {
                refresh.request();
            }
        });
        Self { logs, observer: observer.downgrade(), refresh }
    }

    pub(crate) fn with_levels<S>(self) -> LogLayer<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let queries = self.logs.records_sqlx_queries();
        let levels = Levels { levels: Arc::clone(self.logs.levels()), queries };
        self.with_filter(levels)
    }
}

/// The work in which a span was created.
struct WorkOfSpan(Work);

thread_local! {
    /// True while a line is being written. A line that its own fields cause is ignored, because it
    /// could cause lines without end.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

impl<S> Layer<S> for RequestLogs
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        self.refresh.set_subscriber(subscriber);
    }

    fn on_new_span(&self, _: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let work = current();
        if work.is_active()
            && let Some(span) = context.span(id)
        {
            span.extensions_mut().replace(WorkOfSpan(work));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if is_query(event.metadata()) {
            self.record_query(event, &context);
            let level = level(*event.metadata().level());
            if !self.logs.levels().wants(event.metadata().target(), level) {
                return;
            }
        }
        let Ok(false) = WRITING.try_with(|writing| writing.replace(true)) else { return };
        let _guard = Writing;
        let mut work = current();
        if !work.is_active() {
            work = of_spans(event, &context);
        }
        let mut collected = Collected::with_room(event.metadata().fields().len());
        event.record(&mut collected);
        let Collected { message, fields } = collected;
        // A record of `log` has its target, level and place in its fields.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut line =
            LogLine::new(level(*metadata.level()), metadata.target(), message).fields(fields).of(work);
        if let Some(file) = metadata.file() {
            line = line.source(file, metadata.line());
        }
        self.logs.write(line);
    }
}

impl RequestLogs {
    /// Records a query of sqlx as a call, unless a client observes it already.
    #[inline(never)]
    fn record_query<S>(&self, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        if !self.logs.records_sqlx_queries() {
            return;
        }
        let Some(observer) = self.observer.upgrade() else { return };
        let mut spans = context.event_scope(event).into_iter().flatten();
        if spans.any(|span| is_query_span(span.metadata())) {
            return;
        }
        let mut query = SqlxQuery::default();
        event.record(&mut query);
        let system = SqlxQuery::system(std::thread::current().name());
        let head = CallHead::database(system).query_text(Some(query.text())).started_ago(query.elapsed());
        let mut call = if current().is_active() {
            observer.start_call(&head)
        } else {
            of_spans(event, context).run(|| observer.start_call(&head))
        };
        call.rows(query.rows());
        call.finish();
    }
}

/// Returns the work of the nearest enclosing span that was created in one.
fn of_spans<S>(event: &Event<'_>, context: &Context<'_, S>) -> Work
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut spans = context.event_scope(event).into_iter().flatten();
    let work = spans.find_map(|span| span.extensions().get::<WorkOfSpan>().map(|work| work.0.clone()));
    work.unwrap_or_default()
}

/// Resets [`WRITING`], even if the format of a field panics.
struct Writing;

impl Drop for Writing {
    fn drop(&mut self) {
        let _ = WRITING.try_with(|writing| writing.set(false));
    }
}

impl fmt::Debug for RequestLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestLogs").field("logs", &self.logs).finish_non_exhaustive()
    }
}
