//! The measurement of a setting: two runs of this program, where the longer run has more requests.
//!
//! The difference of the two runs is the cost of the requests alone. Work that is done once is in
//! both runs: building the application, filling caches, ending the process.

use std::{
    env,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use crate::{counts::Counts, profile::Profile, table::median};

/// The number of requests in the shorter of two runs under callgrind. The longer run has twice as
/// many.
pub(crate) const REQUESTS: u32 = 2_000;

/// The number of measurements. Runs differ in the seeds of hash tables, so in collisions, and in
/// the times in events, so in the number of digits. More requests in a run do not reduce these
/// differences. The number is odd, for the median.
pub(crate) const TIMES: usize = 5;

/// The number of requests in runs without callgrind. They are fast, so they can be long enough for
/// the clocks.
const TIMED_REQUESTS: u32 = 20_000;

/// The number of time measurements of a setting. It is odd, for the median.
pub(crate) const ROUNDS: usize = 5;

/// The cost of one request: the median of all measurements.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    /// The difference in instructions between the lowest and the highest measurement.
    pub(crate) spread: f64,
}

/// The CPU time for one request.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    /// On the thread that runs the requests.
    pub(crate) thread: Duration,
    /// On all threads.
    pub(crate) process: Duration,
}

/// Measures the cost of a request of the setting with this name, `times` times, in runs of this
/// number of requests.
pub(crate) fn count(name: &str, requests: u32, times: usize) -> Result<Cost, String> {
    count_in(&this_program()?, name, requests, times)
}

/// Does the same with another build of this program.
pub(crate) fn count_in(program: &Path, name: &str, requests: u32, times: usize) -> Result<Cost, String> {
    let per_request = |short: u64, long: u64| (long as f64 - short as f64) / f64::from(requests);
    let (mut instructions, mut allocations) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let run = |requests| under_callgrind(program, name, requests);
        let (short, long) = (run(requests)?, run(2 * requests)?);
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

/// Measures the time once. Other work on the machine disturbs it, so a caller should repeat the
/// measurement, with pauses between.
pub(crate) fn time(name: &str) -> Result<Time, String> {
    let (short, long) = (alone(name, TIMED_REQUESTS)?, alone(name, 3 * TIMED_REQUESTS)?);
    let per_request = |short: Duration, long: Duration| long.saturating_sub(short) / (2 * TIMED_REQUESTS);
    Ok(Time {
        thread: per_request(short.thread, long.thread),
        process: per_request(short.process, long.process),
    })
}

/// Runs a setting under callgrind. Returns the instructions, and the counts that the run prints.
fn under_callgrind(program: &Path, name: &str, requests: u32) -> Result<(u64, Counts), String> {
    let profile = Profile::new()?;
    let mut command = Command::new("valgrind");
    command
        // Without fair scheduling, valgrind may starve the thread that writes events, until its
        // buffer is full and events are dropped.
        .args(["--tool=callgrind", "--separate-threads=yes", "--fair-sched=yes", "--quiet"])
        .arg(profile.argument())
        .arg(program);
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
