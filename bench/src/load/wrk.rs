//! The client: wrk, with a script that sends what the other measurements send.

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

/// So many connections are busy all the time.
const CONNECTIONS: &str = "32";

/// How fast requests come.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// As fast as they are answered.
    Full,
    /// As many a second for each setting, as long as it keeps up: connections wait between an answer and their next request, 3 ms on average.
    Steady,
}

/// wrk and its script, which is removed in the end.
pub(super) struct Wrk {
    script: PathBuf,
}

/// What wrk saw.
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
        // `taskset` says so when there is no program.
        if output.status.code() == Some(127) { Err(missing()) } else { parsed(&output) }
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        // What is left behind is only a temporary file.
        let _ = fs::remove_file(&self.script);
    }
}

fn missing() -> String {
    "wrk is missing: on Debian it is in the package `wrk`".to_owned()
}

/// All requests are there before the first one is sent, so that wrk has little to do.
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

/// The line that the script writes in the end.
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
