//! The thread that exports spans: batch by batch, each until it is taken, for a minute.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use opentelemetry::Context;

use super::{
    batch::Envelope,
    http::{Client, Failure, Rejected},
    queue::Queue,
    waiting::{Resolved, Waiting},
};
use crate::base::{diagnostics, panic::catch, random, text::bounded};

/// How long a batch is tried.
const TRIED_FOR: Duration = Duration::from_secs(60);

/// The first pause between two tries and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause that a collector is granted (`Retry-After`).
const LONGEST_GRANTED: Duration = Duration::from_secs(30);

/// How much of what a collector says is repeated, in bytes.
const MAX_MESSAGE: usize = 256;

/// Starts the thread.
pub(super) fn start(queue: Arc<Queue>, client: Client, envelope: Envelope) -> io::Result<()> {
    let run = move || {
        // What the client's libraries say of their own work would come back here.
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        let mut exporter = Exporter { queue: &queue, client, envelope, said: None };
        while let Some(batch) = queue.next() {
            exporter.export(batch);
        }
    };
    thread::Builder::new().name("obs-spans".to_owned()).spawn(run).map(drop)
}

struct Exporter<'a> {
    queue: &'a Queue,
    client: Client,
    envelope: Envelope,
    /// What is wrong since the last batch that went well, and somebody was told.
    said: Option<Trouble>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Failing,
    Rejecting,
}

impl Exporter<'_> {
    /// Whatever happens, the batch is done with afterwards: somebody may wait for that.
    fn export(&mut self, batch: Vec<Waiting>) {
        let count = batch.len() as u64;
        let rejected = match catch(|| self.send(batch)) {
            Ok(rejected) => rejected,
            Err(panic) => {
                self.client.reset();
                let reason = format!("a panic: {}", panic.report().message);
                self.failed(&Failure { reason, may_pass: false, retry_after: None });
                None
            }
        };
        match rejected {
            Some(rejected) => {
                let rejected = rejected.min(count);
                self.queue.settle(count.saturating_sub(rejected), rejected, 0);
            }
            None => self.queue.settle(0, 0, count),
        }
    }

    /// Sends a batch, until it is taken or there is no hope; how many of its spans were rejected, if it was taken.
    fn send(&mut self, batch: Vec<Waiting>) -> Option<u64> {
        let (mut requests, mut others) = (Vec::with_capacity(batch.len()), Vec::new());
        for span in batch {
            match span.resolved() {
                Resolved::Encoded(span) => requests.push(span),
                Resolved::Data(span) => others.push(*span),
            }
        }
        let body = self.client.compressed(self.envelope.message(&requests, others));
        drop(requests);
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.client.send(&body, |timeout| self.queue.patience(timeout)) {
                Ok(rejected) => {
                    self.succeeded(&rejected);
                    return Some(rejected.spans);
                }
                Err(failure) => {
                    self.failed(&failure);
                    let wanted = failure.retry_after.unwrap_or_else(|| jittered(pause)).min(LONGEST_GRANTED);
                    let over = started.elapsed().saturating_add(wanted) > TRIED_FOR;
                    if !failure.may_pass || over || !self.queue.pause(wanted) {
                        return None;
                    }
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Said once until it works again.
    fn succeeded(&mut self, rejected: &Rejected) {
        let url = self.client.url();
        if rejected.spans > 0 || !rejected.message.is_empty() {
            if self.said.replace(Trouble::Rejecting) != Some(Trouble::Rejecting) {
                let (spans, message) = (rejected.spans, bounded(&rejected.message, MAX_MESSAGE));
                diagnostics::warn(format_args!("{url} has rejected {spans} spans of a batch: {message:?}"));
            }
        } else if self.said.take() == Some(Trouble::Failing) {
            diagnostics::info(format_args!("spans are exported to {url} again"));
        }
    }

    /// Said once until it works again.
    fn failed(&mut self, failure: &Failure) {
        if self.said.replace(Trouble::Failing) != Some(Trouble::Failing) {
            let then = if failure.may_pass { "they wait and are tried again" } else { "they are lost" };
            let (url, reason) = (self.client.url(), bounded(&failure.reason, MAX_MESSAGE));
            diagnostics::warn(format_args!("spans cannot be exported to {url}: {reason}; {then}"));
        }
    }
}

/// A quarter more or less, so that services do not come all at once.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0];
    random::fill(&mut byte);
    pause.mul_f64(0.75 + f64::from(byte[0]) / 510.0)
}
