//! Measures a setting: two runs of this program under callgrind, of which the longer has more requests.
//!
//! Their difference is the cost of the requests alone. What is done once, such as building the application,
//! filling caches or ending the process, is in both.

use std::{env, io::ErrorKind, process::Command};

use crate::profile::Profile;

/// The shorter run has so many requests, the longer one twice as many.
pub(crate) const REQUESTS: u32 = 2_000;

/// How often a setting is measured. Runs differ in the seeds of their hash tables, hence in collisions, and in
/// the time that events tell, hence in its digits: more requests in one run do not even that out. An odd number, so that one is in the middle.
pub(crate) const TIMES: usize = 5;

/// What one request costs: the median of all measurements.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    /// How many instructions lie between the lowest measurement and the highest.
    pub(crate) spread: f64,
}

/// What a whole run costs.
struct Total {
    instructions: u64,
    allocations: u64,
}

/// What a request of the setting of this name costs, by so many measurements of runs of so many requests.
pub(crate) fn measure(name: &str, requests: u32, times: usize) -> Result<Cost, String> {
    let per_request = |short: u64, long: u64| (long as f64 - short as f64) / f64::from(requests);
    let (mut instructions, mut allocations) = (Vec::new(), Vec::new());
    for _ in 0..times {
        let (short, long) = (run(name, requests)?, run(name, 2 * requests)?);
        instructions.push(per_request(short.instructions, long.instructions));
        allocations.push(per_request(short.allocations, long.allocations));
    }
    instructions.sort_by(f64::total_cmp);
    allocations.sort_by(f64::total_cmp);
    Ok(Cost {
        instructions: instructions[times / 2],
        allocations: allocations[times / 2],
        spread: instructions[times - 1] - instructions[0],
    })
}

fn run(name: &str, requests: u32) -> Result<Total, String> {
    let program =
        env::current_exe().map_err(|error| format!("the path of this program is unknown: {error}"))?;
    let profile = Profile::new()?;
    let output = Command::new("valgrind")
        // Otherwise valgrind may starve the thread that writes events, until its buffer is full and loses some.
        .args(["--tool=callgrind", "--separate-threads=yes", "--fair-sched=yes", "--quiet"])
        .arg(profile.argument())
        .arg(program)
        .args(["run", name, &requests.to_string()])
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                "valgrind is missing: on Debian it is in the package `valgrind`".to_owned()
            }
            _ => format!("valgrind cannot be started: {error}"),
        })?;
    if !output.status.success() {
        return Err(format!("`{name}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    let allocations = stdout.trim().parse();
    let allocations = allocations.map_err(|_| format!("`{stdout}` is no number of allocations"))?;
    Ok(Total { instructions: profile.instructions()?, allocations })
}
