//! Calls: requests to other services and operations of databases, as work of their own.
//!
//! A call has its own span id. It sends this id to the called service, so the two calls of one
//! request can be told apart there. It ends once, with a record, and with an entry in the event of
//! the work in which it was made.
//!
//! ```text
//! current work ─┐
//! CallHead ─────┴─▶ CallObservation ──finished once──▶ Record ──▶ metrics · spans · your sinks
//!                                       └────────────▶ entry in the event of the current work
//! ```

#[cfg(all(test, feature = "testing"))]
mod database_tests;
pub(crate) mod guard;
pub(crate) mod head;
mod nesting;
pub(crate) mod observation;
#[cfg(all(test, feature = "testing"))]
mod tests;
