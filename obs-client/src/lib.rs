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
//! | `sqlx`, `sqlx-postgres`, `sqlx-sqlite`, `sqlx-any` | sqlx 0.8 |
//! | `diesel` | diesel 2, and diesel-async |
//! | `deadpool`, `bb8` | pools of deadpool 0.12 and bb8 0.9 |
//!
//! The crates `obs-axum` and `obs-actix` re-export this crate with their feature `client`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "awc")]
mod awc;
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]
mod call_body;
#[cfg(any(feature = "awc", feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]
mod calling;
#[cfg(feature = "diesel")]
pub mod diesel;
mod failure;
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]
mod headers;
#[cfg(any(feature = "bb8", feature = "deadpool"))]
mod pools;
#[cfg(feature = "reqwest")]
pub mod reqwest;
#[cfg(feature = "reqwest-0-12")]
pub mod reqwest_0_12;
#[cfg(feature = "sqlx")]
pub mod sqlx;
#[cfg(feature = "tonic")]
mod tonic;
#[cfg(feature = "tower")]
mod tower;

#[cfg(feature = "awc")]
pub use self::awc::{AwcFuture, AwcMiddleware, AwcService};
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]
pub use self::call_body::CallBody;
pub use self::failure::failure_of;
#[cfg(any(feature = "bb8", feature = "deadpool"))]
pub use self::pools::PoolsExt;
#[cfg(feature = "tonic")]
pub use self::tonic::{ChannelExt, ObservedChannel};
#[cfg(feature = "tower")]
pub use self::tower::{CallFuture, CallLayer, CallService, ClientExt};
