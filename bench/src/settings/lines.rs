//! A log line, written, filtered out or collected, in a request. One line counts as one request.
//!
//! Each line carries the request id, the trace id, the span id and the route of its request, and
//! three fields of its own.

use std::{hint::black_box, io};

use obs_core::{LogOutput, Logs, Observer, adapter::RequestHead};

use super::Setting;
use crate::drive::Drive;

/// No subscriber at all: the loop, and the check that the line is off.
pub(super) static NONE: Setting = Setting { name: "line-none", bare: None, run: |drive| times(drive, write) };

pub(super) static WRITTEN: Setting = Setting {
    name: "line-written",
    bare: Some(&NONE),
    run: |drive| in_request(Logs::new(), || times(drive, write)),
};

/// A line below the level.
pub(super) static FILTERED: Setting = Setting {
    name: "line-filtered",
    bare: Some(&NONE),
    run: |drive| in_request(Logs::new(), || times(drive, write_debug)),
};

/// The same without the event of sqlx, which has the level debug.
pub(super) static FILTERED_NO_QUERIES: Setting = Setting {
    name: "line-filtered-no-queries",
    bare: Some(&NONE),
    run: |drive| in_request(Logs::new().sqlx_queries(false), || times(drive, write_debug)),
};

/// A line below the level of its own target, while the lines of another target have this level.
pub(super) static FILTERED_BY_TARGET: Setting = Setting {
    name: "line-filtered-by-target",
    bare: Some(&NONE),
    run: |drive| in_request(Logs::new().levels("info,other=debug"), || times(drive, write_debug)),
};

/// A line into the ring of its request, which then succeeds.
pub(super) static COLLECTED: Setting = Setting {
    name: "line-collected",
    bare: Some(&NONE),
    run: |drive| in_request(Logs::new().collect("bench=debug"), || times(drive, write_debug)),
};

/// Writes lines in a request whose observer has these logs. The limits are those of a service, but
/// high enough for one call site that writes all lines.
fn in_request(logs: Logs, write: impl FnOnce()) {
    let logs = logs.lines_per_second(u32::MAX).lines_per_request(u32::MAX);
    // The output discards the lines. Its capacity is enough for all of them, in case its thread
    // must wait for a core.
    let logs = logs.output(LogOutput::writer(io::sink()).capacity(256 << 20));
    let observer = Observer::builder("bench").no_environment().events(obs_core::Events::off()).logs(logs);
    let observer = observer.build().expect("the settings are right");
    obs_axum::logs::init(&observer).expect("the first subscriber");
    let mut observation = observer.start(&RequestHead::new("GET", "/orders/7", &()));
    observation.set_route("/orders/{id}");
    observation.work().run(write);
}

/// Writes a line once for each request.
pub(super) fn times(drive: Drive, write: impl Fn(u64)) {
    let Drive::Requests(times) = drive else { panic!("a line cannot be served") };
    for number in 0..times {
        write(black_box(number));
    }
}

pub(super) fn write(order: u64) {
    tracing::info!(order, customer = "c-1029", total = 12.5, "the order is placed");
}

fn write_debug(order: u64) {
    tracing::debug!(order, customer = "c-1029", total = 12.5, "the order is placed");
}
