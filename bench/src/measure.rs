//! Measures a setting: two runs of this program, of which the longer has more requests.
//!
//! Their difference is the cost of the requests alone. What is done once, such as building the application,
//! filling caches or ending the process, is in both.

use std::{
    env,
    io::ErrorKind,
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};

use crate::{counts::Counts, profile::Profile, table::median};

/// Of two runs under callgrind the shorter one has so many requests, the longer one twice as many.
pub(crate) const REQUESTS: u32 = 2_000;

/// How often both run. Runs differ in the seeds of their hash tables, hence in collisions, and in the time that events
/// tell, hence in its digits: more requests in one run do not even that out. An odd number, so that one is in the middle.
pub(crate) const TIMES: usize = 5;

/// Without callgrind runs are fast, so they may be as long as the clocks need.
const TIMED_REQUESTS: u32 = 20_000;

/// How often a setting is timed. An odd number, too.
pub(crate) const ROUNDS: usize = 5;

/// What one request costs: the median of all measurements.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    /// How many instructions lie between the lowest measurement and the highest.
    pub(crate) spread: f64,
}

/// The processor's time for one request.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    /// On the thread that runs the requests.
    pub(crate) thread: Duration,
    /// On all threads.
    pub(crate) process: Duration,
}

/// What a request of the setting of this name costs, by so many measurements of runs of so many requests.
pub(crate) fn count(name: &str, requests: u32, times: usize) -> Result<Cost, String> {
    let per_request = |short: u64, long: u64| (long as f64 - short as f64) / f64::from(requests);
    let (mut instructions, mut allocations) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let (short, long) = (under_callgrind(name, requests)?, under_callgrind(name, 2 * requests)?);
        instructions.push(per_request(short.0, long.0));
        allocations.push(per_request(short.1.allocations, long.1.allocations));
    }
    instructions.sort_by(f64::total_cmp);
    Ok(Cost {
        spread: instructions[times - 1] - instructions[0],
        instructions: median(&instructions),
        allocations: median(&allocations),
    })
}

/// One measurement of time. What else the machine does disturbs it, so there should be some, far apart.
pub(crate) fn time(name: &str) -> Result<Time, String> {
    let (short, long) = (alone(name, TIMED_REQUESTS)?, alone(name, 3 * TIMED_REQUESTS)?);
    let per_request = |short: Duration, long: Duration| long.saturating_sub(short) / (2 * TIMED_REQUESTS);
    Ok(Time {
        thread: per_request(short.thread, long.thread),
        process: per_request(short.process, long.process),
    })
}

/// Instructions, and what the run says itself.
fn under_callgrind(name: &str, requests: u32) -> Result<(u64, Counts), String> {
    let profile = Profile::new()?;
    let mut command = Command::new("valgrind");
    command
        // Otherwise valgrind may starve the thread that writes events, until its buffer is full and loses some.
        .args(["--tool=callgrind", "--separate-threads=yes", "--fair-sched=yes", "--quiet"])
        .arg(profile.argument())
        .arg(this_program()?);
    let output = run(command, name, requests, |error| match error {
        ErrorKind::NotFound => "valgrind is missing: on Debian it is in the package `valgrind`".to_owned(),
        error => format!("valgrind cannot be started: {error}"),
    })?;
    Ok((profile.instructions()?, Counts::parse(&output.stdout)?))
}

fn alone(name: &str, requests: u32) -> Result<Counts, String> {
    let command = Command::new(this_program()?);
    let output = run(command, name, requests, |error| format!("this program cannot be started: {error}"))?;
    Counts::parse(&output.stdout)
}

fn run(
    mut command: Command,
    name: &str,
    requests: u32,
    not_started: impl FnOnce(ErrorKind) -> String,
) -> Result<Output, String> {
    let output = command.args(["run", name, &requests.to_string()]).output();
    let output = output.map_err(|error| not_started(error.kind()))?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(format!("`{name}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

pub(crate) fn this_program() -> Result<PathBuf, String> {
    env::current_exe().map_err(|error| format!("the path of this program is unknown: {error}"))
}
