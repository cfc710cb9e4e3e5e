//! A setting's server, in a process of its own.

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
        // It has ended before it was there, and says why.
        if server.address.is_empty() {
            return Err(server.stop().err().unwrap_or_else(|| format!("`{name}` has no address")));
        }
        Ok(server)
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The processor's time that it has taken so far.
    pub(super) fn cpu(&self) -> Result<Duration, String> {
        clock::of(self.process.id())
    }

    /// The same when it has done what the requests have left to its threads, or after a while.
    pub(super) fn settled(&self) -> Result<Duration, String> {
        /// It has nothing to do if it takes less than a hundredth of a core for longer than a batch of spans waits.
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

    /// Tells it to end. It fails if its middleware has not done all of its work.
    pub(super) fn stop(mut self) -> Result<(), String> {
        drop(self.process.stdin.take());
        let mut stderr = String::new();
        if let Some(mut pipe) = self.process.stderr.take() {
            // Only for the message below.
            let _ = pipe.read_to_string(&mut stderr);
        }
        match self.process.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(format!("`{}` failed: {}", self.name, stderr.trim())),
        }
    }
}

/// Nothing is left behind if a measurement fails half-way.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
