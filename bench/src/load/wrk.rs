//! The load client: wrk, with a script that sends the same requests as the other measurements.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::ErrorKind,
    path::PathBuf,
    process::{self, Output},
};

use super::pinned;
use crate::sample;

/// The number of connections.
const CONNECTIONS: &str = "32";

/// The pace of the requests.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// Each connection sends its next request at once after a response.
    Full,
    /// The same number of requests a second for each setting, unless it is too slow. Each
    /// connection waits 3 ms on average between a response and its next request.
    Steady,
}

/// wrk and its script. Dropping this removes the script.
pub(super) struct Wrk {
    script: PathBuf,
}

/// The result of a run of wrk.
pub(super) struct Load {
    pub(super) requests: f64,
    pub(super) seconds: f64,
    /// In microseconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Wrk {
    pub(super) fn new() -> Result<Self, String> {
        let script = env::temp_dir().join(format!("obs-bench-{}.lua", process::id()));
        fs::write(&script, lua())
            .map_err(|error| format!("{} cannot be written: {error}", script.display()))?;
        Ok(Self { script })
    }

    pub(super) fn run(&self, address: &str, pace: Pace, seconds: u32) -> Result<Load, String> {
        let pause: &[&str] = match pace {
            Pace::Full => &[],
            Pace::Steady => &["--", "3"],
        };
        let output = pinned("1", "wrk")
            .args(["--threads", "1", "--connections", CONNECTIONS, "--duration", &format!("{seconds}s")])
            .arg("--script")
            .arg(&self.script)
            .arg(format!("http://{address}{}", sample::PATH))
            .args(pause)
            .output()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => missing(),
                _ => format!("wrk cannot be started: {error}"),
            })?;
        // `taskset` exits with 127 if the program does not exist.
        if output.status.code() == Some(127) { Err(missing()) } else { parsed(&output) }
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        // An error does not matter: only a temporary file stays behind.
        let _ = fs::remove_file(&self.script);
    }
}

fn missing() -> String {
    "wrk is missing: on Debian it is in the package `wrk`".to_owned()
}

/// Writes the script. It contains all requests, so wrk has little work during a run.
fn lua() -> String {
    let mut script = "local requests = {\n".to_owned();
    for number in 0..2 * sample::CALLERS {
        let mut request = format!("GET {} HTTP/1.1\\r\\n", sample::PATH);
        for (name, value) in sample::headers(number) {
            let _ = write!(request, "{name}: {value}\\r\\n");
        }
        let _ = writeln!(script, "  \"{request}\\r\\n\",");
    }
    script + include_str!("wrk.lua")
}

/// Parses the line that the script prints at its end.
fn parsed(output: &Output) -> Result<Load, String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().find_map(|line| line.strip_prefix("load: ")).unwrap_or_default();
    let numbers: Vec<f64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [requests, microseconds, p50, p99, 0.0] if requests > 0.0 => {
            Ok(Load { requests, seconds: microseconds / 1e6, p50, p99 })
        }
        _ => Err(format!("wrk had errors: {stdout}{}", String::from_utf8_lossy(&output.stderr))),
    }
}
