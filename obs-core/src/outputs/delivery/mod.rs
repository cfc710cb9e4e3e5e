//! The way of finished records to where they are kept: a bounded queue, a worker thread, a sink.

pub(crate) mod buffer;
pub(crate) mod sink;
pub(crate) mod worker;
