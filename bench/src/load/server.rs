//! The server of a setting, in its own process.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use super::pinned;
use crate::{clock, measure::this_program, settings::Setting};

pub(super) struct Server {
    name: &'static str,
    process: Child,
    address: String,
}

impl Server {
    pub(super) fn start(setting: &Setting) -> Result<Self, String> {
        let name = setting.name;
        let mut process = pinned("0", &this_program()?.to_string_lossy())
            .args(["serve", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`{name}` cannot be started: {error}"))?;
        let mut address = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut address).map_err(|error| format!("`{name}`: {error}"))?;
        }
        let server = Self { name, process, address: address.trim().to_owned() };
        // The process ended before it had an address. Its standard error has the reason.
        if server.address.is_empty() {
            return Err(server.stop().err().unwrap_or_else(|| format!("`{name}` has no address")));
        }
        Ok(server)
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The CPU time of the server so far.
    pub(super) fn cpu(&self) -> Result<Duration, String> {
        clock::of(self.process.id())
    }

    /// The CPU time of the server after its threads have finished their work for the requests. It
    /// gives up after some time.
    pub(super) fn settled(&self) -> Result<Duration, String> {
        /// The time in which an idle server uses less than a hundredth of a core. It is longer than
        /// the batch delay of spans.
        const QUIET: Duration = Duration::from_millis(150);
        const PATIENCE: u32 = 10;
        let mut before = self.cpu()?;
        for _ in 0..PATIENCE {
            thread::sleep(QUIET);
            let now = self.cpu()?;
            if now - before < QUIET / 100 {
                return Ok(now);
            }
            before = now;
        }
        Ok(before)
    }

    /// Stops the server. This fails if the middleware has not done all its work.
    pub(super) fn stop(mut self) -> Result<(), String> {
        drop(self.process.stdin.take());
        let mut stderr = String::new();
        if let Some(mut pipe) = self.process.stderr.take() {
            // The text is only for the message below, so an error does not matter.
            let _ = pipe.read_to_string(&mut stderr);
        }
        match self.process.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("`{}` failed: {}", self.name, stderr.trim())),
        }
    }
}

/// Kills the process if a measurement fails before `stop`.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
