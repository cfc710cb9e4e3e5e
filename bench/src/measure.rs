//! Measures a setting: two runs of this program under callgrind, of which the longer has more requests.
//!
//! Their difference is the cost of the requests alone. What is done once, such as building the application,
//! filling caches or ending the process, is in both.

use std::{env, io::ErrorKind, process::Command};

use crate::{profile::Profile, settings::Setting};

/// The shorter run has so many requests, the longer one twice as many.
const REQUESTS: u32 = 2_000;

/// What one request costs.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// What a whole run costs.
struct Total {
    instructions: u64,
    allocations: u64,
}

pub(crate) fn measure(setting: &Setting) -> Result<Cost, String> {
    let (short, long) = (run(setting, REQUESTS)?, run(setting, 2 * REQUESTS)?);
    let per_request = |short: u64, long: u64| (long as f64 - short as f64) / f64::from(REQUESTS);
    Ok(Cost {
        instructions: per_request(short.instructions, long.instructions),
        allocations: per_request(short.allocations, long.allocations),
    })
}

fn run(setting: &Setting, requests: u32) -> Result<Total, String> {
    let program =
        env::current_exe().map_err(|error| format!("the path of this program is unknown: {error}"))?;
    let profile = Profile::new()?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--separate-threads=yes", "--fair-sched=yes", "--quiet"])
        .arg(profile.argument())
        .arg(program)
        .args(["run", setting.name, &requests.to_string()])
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                "valgrind is missing: on Debian it is in the package `valgrind`".to_owned()
            }
            _ => format!("valgrind cannot be started: {error}"),
        })?;
    if !output.status.success() {
        return Err(format!("`{}` failed: {}", setting.name, String::from_utf8_lossy(&output.stderr).trim()));
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    let allocations = stdout.trim().parse();
    let allocations = allocations.map_err(|_| format!("`{stdout}` is no number of allocations"))?;
    Ok(Total { instructions: profile.instructions()?, allocations })
}
