//! The requests that run, for the messages of failed tests.

use std::{fmt, ptr};

use crate::record::start::Start;

/// The requests that have started and not ended, in the order in which they started.
#[derive(Default)]
pub(super) struct Running(Vec<RunningRequest>);

struct RunningRequest {
    /// The address of its start, which no other running request has.
    start: usize,
    /// Its method and path.
    text: String,
    /// The status of its response.
    status: Option<u16>,
}

impl Running {
    pub(super) fn started(&mut self, start: &Start) {
        let text = start.request().map(|request| format!("{} {}", request.method.as_str(), request.path()));
        let text = text.unwrap_or_else(|| start.id.to_string());
        self.0.push(RunningRequest { start: ptr::from_ref(start).addr(), text, status: None });
    }

    pub(super) fn responded(&mut self, start: &Start, status: u16) {
        let start = ptr::from_ref(start).addr();
        if let Some(request) = self.0.iter_mut().find(|request| request.start == start) {
            request.status = Some(status);
        }
    }

    pub(super) fn ended(&mut self, start: &Start) {
        let start = ptr::from_ref(start).addr();
        self.0.retain(|request| request.start != start);
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("No request is running");
        }
        f.write_str("Still running: ")?;
        for (place, RunningRequest { text, status, .. }) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { ", " })?;
            match status {
                None => write!(f, "`{text}` (there is no response yet)")?,
                Some(status) => write!(
                    f,
                    "`{text}` (the body of its response, with status {status}, was not read to its end)"
                )?,
            }
        }
        Ok(())
    }
}
