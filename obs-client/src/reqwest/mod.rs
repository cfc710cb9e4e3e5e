//! Clients of reqwest 0.13.
//!
//! | way | for | a call is | sees |
//! |---|---|---|---|
//! | [`observer.reqwest()`](ReqwestExt::reqwest) | a new client | each attempt: first, redirects, retries | all of it |
//! | [`client.get(url).observed("payments")`](RequestBuilderExt::observed) | a client that exists | one `send`, with its redirects and retries | the last response |
//! | `CallMiddleware` | a client of `reqwest_middleware` | each run of the middleware | the last response |
//!
//! Each of them ends a call with the body of its response.
#![allow(clippy::duplicate_mod, reason = "the module for the other version has the same files")]

use ::reqwest as version;

mod attempt;
mod builder;
mod client;
mod existing;
mod limit;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod redirect;
mod request;
mod resend;

#[cfg(feature = "reqwest-middleware")]
pub use self::middleware::CallMiddleware;
pub use self::{
    builder::{ReqwestBuildError, ReqwestBuilder, ReqwestExt},
    client::ReqwestClient,
    existing::{ObservedRequest, RequestBuilderExt},
    request::ReqwestRequest,
};
