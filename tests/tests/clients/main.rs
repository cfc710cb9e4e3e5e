//! Outgoing calls of all clients, over sockets: each ending, with its exact records, metrics, event
//! and spans.

#![allow(clippy::unwrap_used)]

mod endings;
mod exchange;
mod kinds;
mod names;
mod redirects;
mod retries;
mod seen;
