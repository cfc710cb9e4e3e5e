//! The calls that a request made: to databases, caches and other services.

use std::{borrow::Cow, time::Duration};

use crate::{
    record::{
        call::{CallTarget, FinishedCall},
        dependency::Dependency,
        finished::Record,
        repeated::{QueryCounts, RepeatedQuery},
        spans::{SpanTotals, Spans},
    },
    trace::ids::SpanId,
};

/// The maximum number of calls that are kept one by one. The slowest are kept.
const MAX_SLOWEST: usize = 16;

/// The maximum number of dependencies that are counted separately. Calls to further ones are
/// counted under `other`.
const MAX_DEPENDENCIES: usize = 16;

/// The maximum number of calls by hand that are open at the same time. Further ones are recorded
/// even if an observed call runs inside of them.
const MAX_BY_HAND: usize = 64;

/// The totals of all calls to one dependency: see [`Calls`].
///
/// ```
/// # fn show(calls: &obs_core::output::Calls) {
/// for calls in calls.by_dependency() {
///     println!("{}: {} calls in {:?}", calls.dependency, calls.count, calls.total);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DependencyCalls {
    /// The dependency; `other` for all dependencies above the limit.
    pub dependency: Dependency,
    /// The number of calls.
    pub count: u32,
    /// The number of calls that failed.
    pub errors: u32,
    /// The rows that a database returned or changed in all calls; `None` if none said so.
    pub rows: Option<u64>,
    /// The sum of their durations. It may exceed the request's duration if calls ran at the same
    /// time.
    pub total: Duration,
    /// The longest call's duration.
    pub longest: Duration,
}

/// One call: see [`Calls`].
///
/// ```
/// # fn show(calls: &obs_core::output::Calls) {
/// for call in calls.slowest() {
///     println!("{} after {:?} for {:?}", call.dependency, call.start, call.duration);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The dependency.
    pub dependency: Dependency,
    /// The operation, such as `POST /payments`; otherwise the method.
    pub operation: Option<Box<str>>,
    /// The span of the call, which the called service has as its caller.
    pub span_id: SpanId,
    /// The HTTP status of the response.
    pub status: Option<u16>,
    /// The low-cardinality kind of its failure; `None` if it succeeded.
    pub error_type: Option<&'static str>,
    /// The code that a database returned, such as an SQLSTATE.
    pub code: Option<Box<str>>,
    /// The number of earlier attempts to send the same request.
    pub resend: u32,
    /// The rows that a database returned or changed.
    pub rows: Option<u64>,
    /// The time from the start to the response's head.
    pub time_to_head: Option<Duration>,
    /// The time from the request's start to the call's start.
    pub start: Duration,
    /// The call's duration; `None` if only its headers were recorded.
    pub duration: Option<Duration>,
}

impl Call {
    /// Returns true if the call failed.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.error_type.is_some()
    }
}

/// All calls of a request: the totals of each dependency, and the 16 slowest calls one by one.
///
/// ```
/// # use obs_core::{Observer, Outcome, adapter::RequestHead, output::{Record, RecordSink}};
/// struct Payments;
/// impl RecordSink for Payments {
///     fn name(&self) -> &str { "payments" }
///     fn on_finish(&self, record: &Record) {
///         let payments = &record.calls.by_dependency()[0];
///         assert_eq!((payments.dependency.as_str(), payments.count), ("payments", 1));
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().sink(Payments).build()?;
/// let observation = observer.start(&RequestHead::new("POST", "/orders", &()));
/// observation.work().call("payments").operation("POST /payments").status(201);
/// observation.finish(Outcome::Completed);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls(Option<Box<Made>>);

/// The calls of a request that made any; most requests make none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Made {
    by_dependency: Vec<DependencyCalls>,
    slowest: Vec<Call>,
    queries: QueryCounts,
    /// The spans of the application, which are here so that a request without any costs no more.
    spans: Spans,
    /// The calls by hand that have not ended. An observed call of the same dependency removes one.
    by_hand: Vec<OpenByHand>,
}

/// A call by hand that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenByHand {
    /// A number that no other running call has.
    pub(crate) call: usize,
    pub(crate) dependency: Dependency,
    pub(crate) span_id: SpanId,
}

impl Calls {
    /// The totals of each dependency, in the order of their first calls.
    #[must_use]
    pub fn by_dependency(&self) -> &[DependencyCalls] {
        self.0.as_ref().map_or(&[], |made| &made.by_dependency)
    }

    /// The 16 slowest calls, in the order in which they ended.
    #[must_use]
    pub fn slowest(&self) -> &[Call] {
        self.0.as_ref().map_or(&[], |made| &made.slowest)
    }

    /// The queries that the request repeated at least
    /// [as often as the settings say](crate::ObserverBuilder::repeated_queries).
    #[must_use]
    pub fn repeated(&self) -> &[RepeatedQuery] {
        self.0.as_ref().map_or(&[], |made| made.queries.all())
    }

    /// The spans of the application.
    pub(crate) fn spans(&self) -> &[SpanTotals] {
        self.0.as_ref().map_or(&[], |made| made.spans.totals())
    }

    /// Adds a span of the application that has ended.
    pub(crate) fn add_span(&mut self, name: Cow<'static, str>, failed: bool, duration: Duration) {
        self.0.get_or_insert_default().spans.add(name, failed, duration);
    }

    /// Returns true if there are any calls or spans, or if some were begun.
    #[inline]
    pub(crate) const fn exist(&self) -> bool {
        self.0.is_some()
    }

    /// Keeps the queries that were repeated at least this often. The request has ended.
    #[inline]
    pub(crate) fn keep_repeated(&mut self, at_least: u32) {
        if let Some(made) = &mut self.0 {
            made.queries.keep(at_least);
        }
    }

    /// Adds a call, which started this time after the work.
    pub(crate) fn add(&mut self, record: &Record, call: &FinishedCall<'_>, start: Duration) {
        self.0.get_or_insert_default().add(record, call, start);
    }

    /// Notes that a call by hand has started.
    pub(crate) fn start_by_hand(&mut self, call: OpenByHand) {
        let open = &mut self.0.get_or_insert_default().by_hand;
        if open.len() < MAX_BY_HAND {
            open.push(call);
        }
    }

    /// The span of the call by hand that started last, if it has not ended.
    pub(crate) fn last_by_hand(&self) -> Option<SpanId> {
        self.0.as_ref()?.by_hand.last().map(|open| open.span_id)
    }

    /// Notes that a call by hand has ended. Returns false if an observed call has replaced it.
    pub(crate) fn end_by_hand(&mut self, call: usize) -> bool {
        let Some(made) = &mut self.0 else { return true };
        let place = made.by_hand.iter().position(|open| open.call == call);
        if let Some(place) = place {
            made.by_hand.remove(place);
        }
        place.is_some()
    }

    /// Notes that an observed call replaces a call by hand of the same dependency, if one is open.
    pub(crate) fn replace_by_hand(&mut self, dependency: Dependency) {
        if let Some(made) = &mut self.0 {
            let place = made.by_hand.iter().position(|open| open.dependency == dependency);
            place.map(|place| made.by_hand.remove(place));
        }
    }
}

impl Made {
    fn add(&mut self, record: &Record, call: &FinishedCall<'_>, start: Duration) {
        let error_type = call.end.error_type();
        let duration = (!call.end.unmeasured).then_some(record.duration);
        if let Some(calls) = self.totals(call.start.dependency) {
            calls.count = calls.count.saturating_add(1);
            calls.errors = calls.errors.saturating_add(u32::from(error_type.is_some()));
            if let Some(rows) = call.end.rows {
                calls.rows = Some(calls.rows.unwrap_or(0).saturating_add(rows));
            }
            let duration = duration.unwrap_or_default();
            calls.total = calls.total.saturating_add(duration);
            calls.longest = calls.longest.max(duration);
        }
        if let (CallTarget::Database(_), Some(operation)) = (&call.start.target, &call.start.operation) {
            self.queries.add(call.start.dependency, operation, record.duration);
        }
        if self.slowest.len() >= MAX_SLOWEST {
            let quickest = self.slowest.iter().enumerate().min_by_key(|(_, call)| call.duration);
            let Some((at, quickest)) = quickest else { return };
            if quickest.duration >= duration {
                return;
            }
            self.slowest.remove(at);
        }
        let (method, resend) = match &call.start.target {
            CallTarget::Http(http) => (Some(http.method.as_str()), http.resend),
            CallTarget::Grpc(grpc) => (Some(&*grpc.method), 0),
            CallTarget::Database(_) | CallTarget::Other => (None, 0),
        };
        self.slowest.push(Call {
            dependency: call.start.dependency,
            operation: call.start.operation.clone().or_else(|| method.map(Into::into)),
            span_id: record.start().trace.span_id,
            status: call.end.status,
            error_type,
            code: call.end.code.clone(),
            resend,
            rows: call.end.rows,
            time_to_head: call.end.time_to_head,
            start,
            duration,
        });
    }

    /// The totals of a dependency.
    fn totals(&mut self, dependency: Dependency) -> Option<&mut DependencyCalls> {
        let find = |all: &[DependencyCalls], name| all.iter().position(|calls| calls.dependency == name);
        let place = find(&self.by_dependency, dependency);
        let (place, dependency) = match place {
            None if self.by_dependency.len() >= MAX_DEPENDENCIES => {
                (find(&self.by_dependency, Dependency::OTHER), Dependency::OTHER)
            }
            place => (place, dependency),
        };
        let place = place.unwrap_or_else(|| {
            let (count, errors, rows) = (0, 0, None);
            let (total, longest) = (Duration::ZERO, Duration::ZERO);
            self.by_dependency.push(DependencyCalls { dependency, count, errors, rows, total, longest });
            self.by_dependency.len().saturating_sub(1)
        });
        self.by_dependency.get_mut(place)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::{
        http::head::RequestHead, observer::Observer, outputs::records::Records, record::outcome::Outcome,
        work::call::head::CallHead,
    };

    /// Returns the calls of a request that makes calls to these hosts.
    fn calls(hosts: impl Iterator<Item = (String, u16)>) -> Calls {
        let (send, records) = channel();
        let observer = Observer::builder("test").no_environment().sink(Records(send)).build().expect("valid");
        let observation = observer.start(&RequestHead::new("GET", "/", &()));
        observation.work().run(|| {
            for (host, status) in hosts {
                let mut call = observer.start_call(&CallHead::http("GET", "http", &host));
                call.responded(status, &());
                call.finish();
            }
        });
        observation.finish(Outcome::Completed);
        let request = records.iter().find(|record| record.request().is_some());
        request.expect("the request").calls
    }

    #[test]
    fn the_slowest_calls_are_kept_and_all_calls_are_summed() {
        let calls = calls((0..100).map(|n| ("db".to_owned(), 200 + n % 2 * 300)));
        assert_eq!(calls.slowest().len(), MAX_SLOWEST);
        let db = &calls.by_dependency()[0];
        assert_eq!((db.count, db.errors), (100, 50));
        let longest = calls.slowest().iter().filter_map(|call| call.duration).max();
        assert_eq!(longest, Some(db.longest), "the slowest is kept");
        let kept: Duration = calls.slowest().iter().filter_map(|call| call.duration).sum();
        assert!(kept <= db.total && db.longest <= db.total);
    }

    #[test]
    fn dependencies_are_bounded() {
        let calls = calls((0..90).map(|n| (format!("shard-{n}"), 200)));
        assert_eq!(calls.by_dependency().len(), MAX_DEPENDENCIES + 1);
        let last = calls.by_dependency().last().map(|calls| (calls.dependency.as_str(), calls.count));
        assert_eq!(last, Some(("other", 74)));
        assert_eq!(calls.slowest().len(), MAX_SLOWEST);
    }
}
