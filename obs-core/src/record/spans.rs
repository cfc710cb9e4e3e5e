//! The parts of a request that the application measured as spans.

use std::{borrow::Cow, time::Duration};

/// The maximum number of names of spans in one request. Further ones count as `other`.
const MAX_NAMES: usize = 16;

/// The start of a span inside of other work: see [`Work::span`](crate::Work::span).
#[derive(Debug)]
#[non_exhaustive]
pub struct SpanStart {
    /// The name, of which there are few: `reserve stock`.
    pub name: Cow<'static, str>,
}

/// The end of a span inside of other work. See [`Record`](crate::output::Record).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SpanEnd {
    /// True if it failed.
    pub failed: bool,
}

/// The totals of all spans of one name in a request.
///
/// ```
/// # fn show(record: &obs_core::output::Record) {
/// for span in record.spans() {
///     println!("{}: {} times, {:?}", span.name, span.count, span.total);
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpanTotals {
    /// The name; `other` for all names above the limit.
    pub name: Cow<'static, str>,
    /// The number of spans.
    pub count: u32,
    /// The number of spans that failed.
    pub errors: u32,
    /// The sum of their durations. It may exceed the request's duration if spans ran at the same
    /// time.
    pub total: Duration,
    /// The longest span's duration.
    pub longest: Duration,
}

/// The spans of a request, by name, in the order of their first ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans(Vec<SpanTotals>);

impl Spans {
    pub(crate) fn totals(&self) -> &[SpanTotals] {
        &self.0
    }

    /// Adds a span that has ended.
    pub(crate) fn add(&mut self, name: Cow<'static, str>, failed: bool, duration: Duration) {
        const OTHER: Cow<'static, str> = Cow::Borrowed("other");
        let all = &mut self.0;
        let find = |all: &[SpanTotals], name: &str| all.iter().position(|span| span.name == name);
        let place = find(all, &name);
        let name = if place.is_none() && all.len() >= MAX_NAMES { OTHER } else { name };
        let place = place.or_else(|| find(all, &name)).unwrap_or_else(|| {
            let (count, errors, total, longest) = (0, 0, Duration::ZERO, Duration::ZERO);
            all.push(SpanTotals { name, count, errors, total, longest });
            all.len().saturating_sub(1)
        });
        if let Some(span) = all.get_mut(place) {
            span.count = span.count.saturating_add(1);
            span.errors = span.errors.saturating_add(u32::from(failed));
            span.total = span.total.saturating_add(duration);
            span.longest = span.longest.max(duration);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_durations_are_summed() {
        let mut spans = Spans::default();
        for n in 0..20 {
            spans.add(format!("step {n}").into(), n % 2 == 1, Duration::from_millis(n));
        }
        spans.add("step 0".into(), true, Duration::from_millis(5));
        let totals = spans.totals();
        assert_eq!(totals.len(), MAX_NAMES + 1);
        assert_eq!((totals[0].count, totals[0].errors), (2, 1));
        assert_eq!((totals[0].total.as_millis(), totals[0].longest.as_millis()), (5, 5));
        let other = totals.last().map(|span| (&*span.name, span.count, span.total.as_millis()));
        assert_eq!(other, Some(("other", 4, 16 + 17 + 18 + 19)));
    }
}
