//! Delivery: what an output sends away waits in a bounded queue, and a thread sends it and tries
//! again.
//!
//! ```text
//!            Store: lines.rs  bytes, swapped whole      Outlet: a sink of events,
//!                   items.rs  weighed items                     a collector
//!                      │                                          │
//! request ─▶ push ─▶ Queue ─▶ take ─▶ Worker ─▶ send ─────────────┘
//!                        ▲                │ delivered, rejected, failed
//!                        └──── settle ◀───┘ pauses that grow, `Retry-After`, one warning per trouble
//! ```
//! All outputs behave alike, because they share all of it but the store, the outlet and their
//! numbers.
//!
//! The stores differ in how they are taken. Lines are bytes one after the other, with their facts
//! (time, trace, kind, route) in a vector beside them, and are taken by swapping both vectors.
//! Items are weighed one by one. Both have the bound in bytes, which includes what is being sent,
//! the flush with a deadline, and the counters by reason. The worker reports, and never a request,
//! because a log may block. A loom model covers the queue over both stores (`tests/loom`).

pub(crate) mod batch;
pub(crate) mod byte_writer;
pub(crate) mod failure;
#[cfg(any(feature = "otel", test))]
pub(crate) mod items;
pub(crate) mod lines;
mod memory;
pub(crate) mod queue;
pub(crate) mod retry;
pub(crate) mod sink;
pub(crate) mod store;
#[cfg(test)]
mod tests;
pub(crate) mod trouble;
pub(crate) mod worker;
