//! The calls that a request made: to databases, caches and other services.

use std::{borrow::Cow, time::Duration};

/// The maximum number of calls that are kept one by one. The slowest are kept.
const MAX_SLOWEST: usize = 16;

/// The maximum number of dependencies that are counted separately. Calls to further ones are
/// counted under `other`.
const MAX_DEPENDENCIES: usize = 16;

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
    /// The dependency's name.
    pub dependency: Cow<'static, str>,
    /// The number of calls.
    pub count: u32,
    /// The number of calls that failed.
    pub errors: u32,
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
    /// The dependency's name.
    pub dependency: Cow<'static, str>,
    /// The operation, such as `POST /payments`.
    pub operation: Option<Cow<'static, str>>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// True if the call failed.
    pub failed: bool,
    /// The time from the request's start to the call's start.
    pub start: Duration,
    /// The call's duration.
    pub duration: Duration,
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
///         assert_eq!((&*payments.dependency, payments.count), ("payments", 1));
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

    pub(crate) fn add(&mut self, call: Call) {
        self.0.get_or_insert_default().add(call);
    }
}

impl Made {
    fn add(&mut self, mut call: Call) {
        let position = self.by_dependency.iter().position(|calls| calls.dependency == call.dependency);
        let position = position.unwrap_or_else(|| {
            if self.by_dependency.len() >= MAX_DEPENDENCIES {
                call.dependency = "other".into();
                if let Some(other) = self.by_dependency.iter().position(|calls| calls.dependency == "other") {
                    return other;
                }
            }
            self.by_dependency.push(DependencyCalls {
                dependency: call.dependency.clone(),
                count: 0,
                errors: 0,
                total: Duration::ZERO,
                longest: Duration::ZERO,
            });
            self.by_dependency.len().saturating_sub(1)
        });
        if let Some(calls) = self.by_dependency.get_mut(position) {
            calls.count = calls.count.saturating_add(1);
            calls.errors = calls.errors.saturating_add(u32::from(call.failed));
            calls.total = calls.total.saturating_add(call.duration);
            calls.longest = calls.longest.max(call.duration);
        }
        if self.slowest.len() >= MAX_SLOWEST {
            let quickest = self.slowest.iter().enumerate().min_by_key(|(_, call)| call.duration);
            let Some((at, quickest)) = quickest else { return };
            if quickest.duration >= call.duration {
                return;
            }
            self.slowest.remove(at);
        }
        self.slowest.push(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(dependency: &str, millis: u64) -> Call {
        Call {
            dependency: dependency.to_owned().into(),
            operation: None,
            status: None,
            failed: millis % 2 == 1,
            start: Duration::ZERO,
            duration: Duration::from_millis(millis),
        }
    }

    #[test]
    fn the_slowest_calls_are_kept_and_all_calls_are_summed() {
        let mut calls = Calls::default();
        (1..=100).for_each(|millis| calls.add(call("db", millis)));
        let slowest: Vec<_> = calls.slowest().iter().map(|call| call.duration.as_millis()).collect();
        assert_eq!(slowest, (85..=100).collect::<Vec<_>>());
        let db = &calls.by_dependency()[0];
        assert_eq!((db.count, db.errors), (100, 50));
        assert_eq!((db.total.as_millis(), db.longest.as_millis()), (5050, 100));
    }

    #[test]
    fn dependencies_are_bounded() {
        let mut calls = Calls::default();
        (0..100).for_each(|n| calls.add(call(&format!("shard-{n}"), 1)));
        assert_eq!(calls.by_dependency().len(), MAX_DEPENDENCIES + 1);
        assert_eq!(calls.by_dependency().last().map(|c| (&*c.dependency, c.count)), Some(("other", 84)));
        assert_eq!(calls.slowest().len(), MAX_SLOWEST);
    }
}
