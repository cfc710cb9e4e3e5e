//! The thread that writes the summaries of lines that were held back. It runs only while there are
//! such lines.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::LogPipeline;
use crate::base::thread::spawn;

/// The time between the first line that is held back and its summary.
const PERIOD: Duration = Duration::from_secs(10);

/// The start of the thread.
#[derive(Default)]
pub(super) struct Summaries {
    pipeline: OnceLock<Weak<LogPipeline>>,
    running: AtomicBool,
}

impl Summaries {
    /// Sets the pipeline that writes the summaries.
    pub(super) fn set(&self, pipeline: &Arc<LogPipeline>) {
        let _ = self.pipeline.set(Arc::downgrade(pipeline));
    }

    /// Writes a summary after the period, and then after each period in which lines were held back.
    pub(super) fn request(&self) {
        if self.running.load(Ordering::Relaxed) || self.running.swap(true, Ordering::Relaxed) {
            return;
        }
        let Some(pipeline) = self.pipeline.get().cloned() else { return };
        // Without a thread, the next flush writes the summary.
        if spawn("obs-log-limit", Box::new(move || run(&pipeline))).is_err() {
            self.running.store(false, Ordering::Relaxed);
        }
    }
}

fn run(pipeline: &Weak<LogPipeline>) {
    loop {
        thread::sleep(PERIOD);
        let Some(pipeline) = pipeline.upgrade() else { return };
        if !pipeline.summarise() {
            pipeline.summaries.running.store(false, Ordering::Relaxed);
            // A line that was held back just before started no thread.
            if !pipeline.summarise() || pipeline.summaries.running.swap(true, Ordering::Relaxed) {
                return;
            }
        }
    }
}
