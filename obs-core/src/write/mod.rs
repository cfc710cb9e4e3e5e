//! Text written into memory that is reused: JSON, numbers, times, ids.

pub(crate) mod digits;
#[cfg(feature = "gzip")]
pub(crate) mod gzip;
pub(crate) mod hex;
pub(crate) mod json;
pub(crate) mod rfc3339;
pub(crate) mod scribe;
