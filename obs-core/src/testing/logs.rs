//! Log lines in memory (feature `logs`).

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::TIMEOUT;
use crate::observer::Observer;

/// Log lines in memory, for tests.
///
/// It is the writer of an output:
///
/// ```
/// use obs_core::{LogLevel, LogOutput, output::LogLine, testing::{TestLogs, TestObserver}};
///
/// let lines = TestLogs::new();
/// let test = TestObserver::with(|builder| builder.logs(LogOutput::writer(lines.clone())));
/// // The layer of `obs-tracing` writes such a line for each `tracing::info!`.
/// let pipeline = test.observer().log_pipeline();
/// pipeline.write(LogLine::new(LogLevel::Info, "shop", "ready").field("orders", 3));
/// let line = &lines.lines(test.observer())[0];
/// assert_eq!((&line["message"], &line["fields"]["orders"]), (&"ready".into(), &3.into()));
/// ```
#[derive(Clone, Default)]
pub struct TestLogs(Arc<Mutex<Vec<u8>>>);

impl TestLogs {
    /// Makes an empty memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Flushes the lines of the observer, and returns the text of all lines.
    ///
    /// # Panics
    /// Panics if the lines are not written within 30 s, or are not UTF-8.
    #[must_use]
    pub fn text(&self, observer: &Observer) -> String {
        let flushed = observer.log_pipeline().flush(TIMEOUT);
        assert!(flushed, "the lines should have been written within 30 s");
        match String::from_utf8(self.lock().clone()) {
            Ok(text) => text,
            Err(error) => panic!("the lines are not UTF-8: {error}"),
        }
    }

    /// Flushes the lines of the observer, and returns each line as JSON.
    ///
    /// # Panics
    /// Panics if the lines are not written within 30 s, or if one is not JSON.
    #[must_use]
    pub fn lines(&self, observer: &Observer) -> Vec<serde_json::Value> {
        let parsed = |line: &str| match serde_json::from_str(line) {
            Ok(line) => line,
            Err(error) => panic!("{line:?} is not JSON: {error}"),
        };
        self.text(observer).lines().map(parsed).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for TestLogs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TestLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestLogs").field(&String::from_utf8_lossy(&self.lock())).finish()
    }
}
