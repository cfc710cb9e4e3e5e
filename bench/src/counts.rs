//! The counts of a run, which it prints as one line on its standard output.

use std::time::Duration;

use crate::{allocator, clock};

pub(crate) struct Counts {
    /// The allocations of the thread that runs the requests.
    pub(crate) allocations: u64,
    /// The CPU time of that thread.
    pub(crate) thread: Duration,
    /// The CPU time of all threads.
    pub(crate) process: Duration,
}

impl Counts {
    /// The counts of this thread and this process so far.
    pub(crate) fn now() -> Self {
        let allocations = allocator::allocations();
        Self { allocations, thread: clock::thread(), process: clock::process() }
    }

    pub(crate) fn print(&self) {
        println!("{} {} {}", self.allocations, self.thread.as_nanos(), self.process.as_nanos());
    }

    pub(crate) fn parse(stdout: &[u8]) -> Result<Self, String> {
        let line = String::from_utf8_lossy(stdout);
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [allocations, thread, process] = numbers[..] else {
            return Err(format!("`{line}` is not a line with the counts of a run"));
        };
        Ok(Self { allocations, thread: Duration::from_nanos(thread), process: Duration::from_nanos(process) })
    }
}
