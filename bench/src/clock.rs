//! Clocks of CPU time, as the kernel counts it. The time of a process includes its threads that
//! have ended.

use std::time::Duration;

use nix::{
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// The CPU time of this thread.
pub(crate) fn thread() -> Duration {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// The CPU time of this process, with all its threads.
pub(crate) fn process() -> Duration {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// The CPU time of another process, with all its threads.
pub(crate) fn of(process: u32) -> Result<Duration, String> {
    let pid = Pid::from_raw(process.cast_signed());
    let clock = ClockId::pid_cpu_clock_id(pid).map_err(|error| format!("no clock of {process}: {error}"))?;
    Ok(read(clock))
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).expect("the kernel has this clock").into()
}

#[cfg(test)]
mod tests {
    use std::process;

    #[test]
    fn the_time_of_a_process_includes_its_threads() {
        let thread = super::thread();
        assert!(!thread.is_zero());
        assert!(super::process() >= thread);
        assert!(super::of(process::id()).expect("its own") >= thread);
    }
}
