//! Delivery of entries to destinations outside the process. Entries wait in a bounded queue, and a
//! thread sends them and retries.
//!
//! ```text
//!            Store: lines.rs  bytes, swapped whole      Outlet: a sink of events,
//!                   items.rs  items with sizes                     a collector
//!                      │                                          │
//! request ─▶ push ─▶ Queue ─▶ take ─▶ Worker ─▶ send ─────────────┘
//!                        ▲                │ delivered, rejected, failed
//!                        └──── settle ◀───┘ growing pauses, `Retry-After`, one warning per problem
//! ```
//! All outputs behave alike, because they share everything except the store, the outlet and the
//! limits.
//!
//! The two stores differ in the way the worker takes entries. Lines are bytes in one vector, with
//! their facts (time, trace, kind, route) in another, and the worker swaps both vectors. Items
//! report their size, and the worker takes them one by one.
//!
//! Both stores have a limit in bytes, a flush with a deadline, and a counter for each reason of
//! loss. The limit includes the bytes that are being sent.
//!
//! The thread of a request logs nothing, because logging may block. The worker logs problems. When
//! the queue overflows, the destination may be blocking the worker, so another thread logs the
//! overflow. A loom model covers the queue with both stores (`tests/loom`).

pub(crate) mod batch;
pub(crate) mod byte_writer;
pub(crate) mod failure;
#[cfg(any(feature = "otel", test))]
pub(crate) mod items;
pub(crate) mod lines;
mod memory;
mod overflow;
pub(crate) mod problem;
pub(crate) mod queue;
pub(crate) mod retry;
pub(crate) mod sink;
pub(crate) mod store;
#[cfg(test)]
mod test_counts;
#[cfg(test)]
mod tests;
pub(crate) mod worker;
