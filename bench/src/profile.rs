//! The profile that callgrind writes about a run.

use std::{env, fs, path::PathBuf, process};

/// A directory for the profile of one run. Dropping this removes it.
pub(crate) struct Profile {
    directory: PathBuf,
}

impl Profile {
    pub(crate) fn new() -> Result<Self, String> {
        let directory = env::temp_dir().join(format!("obs-bench-{}", process::id()));
        match fs::create_dir(&directory) {
            Ok(()) => Ok(Self { directory }),
            Err(error) => Err(format!("{} cannot be made: {error}", directory.display())),
        }
    }

    /// The argument with the output file of callgrind, which adds a number to its name for each
    /// thread.
    pub(crate) fn argument(&self) -> String {
        format!("--callgrind-out-file={}", self.directory.join("thread").display())
    }

    /// The instructions of the first thread, which runs the requests. Another thread writes events.
    /// It works in batches and by time, so its instructions would make the count vary.
    pub(crate) fn instructions(&self) -> Result<u64, String> {
        let file = self.directory.join("thread-01");
        let text = fs::read_to_string(&file).map_err(|e| format!("callgrind has written no profile: {e}"))?;
        total(&text).ok_or_else(|| "callgrind's profile has no total".to_owned())
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // An error does not matter: only temporary files stay behind.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Returns the first number of the line `totals:`, the number of instructions.
fn total(profile: &str) -> Option<u64> {
    let totals = profile.lines().find_map(|line| line.strip_prefix("totals:"))?;
    totals.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_total_is_found() {
        let profile = "version: 1\nthread: 1\n\nevents: Ir\nsummary: 12\n\nfn=(1) main\n3 12\n\ntotals: 12\n";
        assert_eq!(total(profile), Some(12));
        assert_eq!(total("version: 1\n"), None);
    }
}
