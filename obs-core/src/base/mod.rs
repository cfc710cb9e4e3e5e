//! Helpers that are independent of requests: clock, locks, counters, caught panics, bounded texts.

pub(crate) mod build_error;
pub(crate) mod clock;
pub(crate) mod counter;
pub(crate) mod environment;
pub(crate) mod name_filter;
pub(crate) mod panic;
pub(crate) mod parse;
pub(crate) mod printable;
pub(crate) mod random;
pub(crate) mod read_mostly;
pub(crate) mod replaceable;
pub(crate) mod settings;
pub(crate) mod sharded;
pub(crate) mod sort;
pub(crate) mod sync;
#[cfg(test)]
pub(crate) mod test_log;
pub(crate) mod text;
pub(crate) mod thread;
pub(crate) mod thread_timeout;
pub(crate) mod value;
