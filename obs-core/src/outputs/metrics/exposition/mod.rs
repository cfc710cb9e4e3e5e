//! The encoding of families as text, in Prometheus' format 0.0.4 or in OpenMetrics 1.0.
//!
//! At a scrape, our metrics and the user's become one list of families, which one encoder writes.
//!
//! * Our families are a snapshot of all numbers, 8 bytes each. Samples are created from it one by
//!   one while the page is written, because there may be hundreds of thousands.
//! * The user's families come from `Registry::gather()`. Our families are in that registry, too,
//!   for other code that gathers it. But its types cannot contain exemplars, units and times of
//!   creation. So for our own page, our collector returns placeholders. The registry adds its
//!   prefix and labels to the placeholders. The encoder replaces each placeholder by our family,
//!   with this prefix and these labels.
//! * A separate thread gathers the families, not one of the runtime's blocking threads. A database
//!   that hangs may block all of the runtime's blocking threads, and the metrics are needed most
//!   then.
//! * Only one run gathers at a time. Scrapes that arrive meanwhile wait for the next run and share
//!   it, so a page always includes the requests that ended before its scrape. A run also skips
//!   invalid samples. After it, no sample can make the page fail.
//! * The page never exists as a whole. It is an `AnswerBody`, which writes 64 KiB each time the
//!   server polls it. Each scrape writes its own page, so a slow client does not slow others.
//!   Between two pieces the task yields until the runtime has polled its sockets, because servers
//!   continue to poll as long as the client accepts data.
//! * A page of one piece has a `Content-Length`, like any other response.
//! * Only a few longer pages are sent at a time (`sending.rs`).

pub(crate) mod accept;
pub(crate) mod format;
#[cfg(feature = "prometheus")]
pub(crate) mod invalid_samples;
pub(crate) mod labels;
pub(crate) mod number;
pub(crate) mod openmetrics;
pub(crate) mod page;
pub(crate) mod page_buffer;
pub(crate) mod page_request;
pub(crate) mod writer;

#[cfg(test)]
mod tests;
