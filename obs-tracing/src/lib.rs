//! Log lines that know their request: a layer for `tracing_subscriber`.
//!
//! ```text
//! tracing::info!(..) ─┐
//!                     ├─▶ layer: level? which request? ─▶ observer ─▶ standard output, files, …
//! log::info!(..) ─────┘
//! ```
//!
//! A service that has no subscriber of its own needs one line:
//!
//! ```
//! use obs_core::Observer;
//!
//! let observer = Observer::builder("shop").no_environment().build()?;
//! obs_tracing::init(&observer)?;
//! tracing::info!(orders = 3, "ready");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Other services add the layer to their registry:
//!
//! ```
//! use obs_core::Observer;
//! use obs_tracing::LogsExt;
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! let observer = Observer::builder("shop").no_environment().build()?;
//! let subscriber = tracing_subscriber::registry().with(observer.logs());
//! # Ok::<(), obs_core::BuildError>(())
//! ```
//!
//! Each line that the code of a request writes has the request id, trace id, span id and route of
//! this request. No span is needed for this. [`Logs`](obs_core::Logs) has the settings, and
//! `docs/logs.md` is the guide.
//!
//! # The request of a line
//! 1. The request that is current on the thread. A request is current while its handler and
//!    middleware run. It is also current in a future of `current().scope(..)` and in a closure of
//!    `current().run(..)`.
//! 2. Else, the request in which the nearest enclosing span was created. So a task that is spawned
//!    with `.instrument(span)` keeps its request. A closure in `spawn_blocking` that enters such a
//!    span keeps its request, too.
//! 3. Else, the line has no ids.
//!
//! The request may have ended before the line is written, for example in the task of a pooled
//! connection. Such a line has `request_ended`.
//!
//! # Levels
//! The variables `OBS_LOG` and `RUST_LOG` set the levels.
//! [`Observer::log_levels`](obs_core::Observer::log_levels) changes them while the service runs.
//! Levels that the features of `tracing` or `log` remove at compile time cannot come back.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod filter;
mod init;
mod layer;
mod query;
mod refresh;
mod visitor;

pub use self::{
    filter::Levels,
    init::{InitError, init},
    layer::{LogLayer, LogsExt, RequestLogs},
};
