//! Writers of text into reused memory: JSON, numbers, times and ids.

pub(crate) mod buffer;
pub(crate) mod digits;
#[cfg(feature = "gzip")]
pub(crate) mod gzip;
pub(crate) mod hex;
pub(crate) mod json;
pub(crate) mod json_text;
pub(crate) mod rfc3339;
