//! The processor's time, as the kernel counts it. Threads that have ended are in their process's.

use std::time::Duration;

use nix::{
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// Of this thread.
pub(crate) fn thread() -> Duration {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

/// Of this process, with all of its threads.
pub(crate) fn process() -> Duration {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// Of another process, with all of its threads.
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
    fn the_process_has_more_than_its_thread() {
        let thread = super::thread();
        assert!(!thread.is_zero());
        assert!(super::process() >= thread);
        assert!(super::of(process::id()).expect("its own") >= thread);
    }
}
