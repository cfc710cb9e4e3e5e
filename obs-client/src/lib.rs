//! Outgoing calls and databases that observe themselves.
//!
//! Each feature of this crate is for one client:
//!
//! | feature | client |
//! |---|---|
//! | `reqwest` | reqwest 0.13 |
//! | `reqwest-0-12` | reqwest 0.12 |
//! | `reqwest-middleware` | `reqwest_middleware`, which wraps reqwest 0.13 |
//! | `tower` | any tower service that sends requests, such as the client of hyper-util |
//! | `tonic` | channels of tonic |
//! | `awc` | awc |
//! | `sqlx` | sqlx |
//! | `diesel` | diesel |
//!
//! The crates `obs-axum` and `obs-actix` re-export this crate with their feature `client`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod failure;

pub use self::failure::failure_of;
