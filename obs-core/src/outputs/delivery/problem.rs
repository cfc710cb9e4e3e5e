//! Log messages about the problems of an output: one when a problem begins, and one when it ends.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::failure::{Delivered, Failure};
use crate::{
    base::text::bounded,
    redact::{Redactor, diagnostics},
};

/// The minimal time between two reports of the same problem, so that a recurring problem does not
/// flood the log.
pub(super) const QUIET: Duration = Duration::from_secs(60);

/// The limit of a destination's message in a report, in bytes.
const MAX_REASON: usize = 256;

/// The names that reports use.
pub(crate) struct Subject {
    /// The entries: `events`, `spans`.
    pub(crate) entries: &'static str,
    /// The destination: the name of an output, or a URL without secrets.
    pub(crate) destination: String,
    /// The metric that counts losses.
    pub(crate) counter: &'static str,
    /// Masks the messages of the destination.
    pub(crate) redactor: Redactor,
}

impl Subject {
    /// Returns a message of the destination without secrets, cut to its limit.
    fn reason(&self, message: &str) -> String {
        // Mask first, cut last: a secret that is cut in half would not be recognised. The first cut
        // bounds the work.
        let message = bounded(message, MAX_REASON.saturating_mul(8));
        let masked = self.redactor.text(&message);
        bounded(&masked, MAX_REASON).into_owned()
    }
}

/// The state of one problem.
#[derive(Default)]
pub(super) struct Problem {
    pub(super) lasts: bool,
    reported: Option<Instant>,
    /// True if the beginning was reported, so the end is reported, too.
    end_is_due: bool,
}

impl Problem {
    /// Marks the problem as begun. Returns true if the beginning is reported.
    pub(super) fn begins(&mut self, now: Instant) -> bool {
        if self.lasts {
            return false;
        }
        self.lasts = true;
        let quiet = |last: Instant| now.saturating_duration_since(last) < QUIET;
        self.end_is_due = !self.reported.is_some_and(quiet);
        if self.end_is_due {
            self.reported = Some(now);
        }
        self.end_is_due
    }

    /// Marks the problem as ended. Returns true if the end is reported.
    pub(super) fn ends(&mut self) -> bool {
        self.lasts = false;
        std::mem::take(&mut self.end_is_due)
    }
}

/// The problems of one output.
pub(super) struct Problems {
    subject: Arc<Subject>,
    failing: Problem,
    rejecting: Problem,
}

impl Problems {
    pub(super) fn new(subject: Arc<Subject>) -> Self {
        Self { subject, failing: Problem::default(), rejecting: Problem::default() }
    }

    /// Reports that entries were not accepted.
    pub(super) fn failed(&mut self, failure: &Failure) {
        if !self.failing.begins(Instant::now()) {
            return;
        }
        let Subject { entries, destination, counter, .. } = &*self.subject;
        let reason = self.subject.reason(&failure.reason);
        if failure.may_pass() {
            diagnostics::warn(format_args!(
                "cannot deliver {entries} to {destination}: {reason}; they are retried, and losses are counted in \
                 `{counter}`"
            ));
        } else {
            diagnostics::warn(format_args!(
                "cannot deliver {entries} to {destination}: {reason}; they are dropped and counted in `{counter}`"
            ));
        }
    }

    /// Reports that entries were accepted.
    pub(super) fn delivered(&mut self, delivered: &Delivered) {
        let Subject { entries, destination, counter, .. } = &*self.subject;
        if self.failing.ends() {
            diagnostics::info(format_args!("{entries} are delivered to {destination} again"));
        }
        if delivered.rejected == 0 && delivered.reason.is_empty() {
            if self.rejecting.ends() {
                diagnostics::info(format_args!("{destination} accepts all {entries} again"));
            }
        } else if self.rejecting.begins(Instant::now()) {
            let (rejected, reason) = (delivered.rejected, self.subject.reason(&delivered.reason));
            if rejected == 0 {
                let warning = format_args!("{destination} accepted {entries} with a warning: {reason:?}");
                return diagnostics::warn(warning);
            }
            diagnostics::warn(format_args!(
                "{destination} rejected {rejected} {entries} of a batch: {reason:?}; they are counted in `{counter}`"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_reported_when_it_begins_and_when_it_ends() {
        let (mut problem, now) = (Problem::default(), Instant::now());
        assert!(!problem.ends(), "there was none");
        assert_eq!([problem.begins(now), problem.begins(now), problem.begins(now)], [true, false, false]);
        assert_eq!([problem.ends(), problem.ends()], [true, false]);
    }

    #[test]
    fn a_recurring_problem_is_reported_once_a_minute() {
        let (mut problem, now) = (Problem::default(), Instant::now());
        let mut reports = 0;
        for second in 0..120 {
            reports += u32::from(problem.begins(now + Duration::from_secs(second)));
            reports += u32::from(problem.ends());
        }
        assert_eq!(reports, 4);
    }
}
