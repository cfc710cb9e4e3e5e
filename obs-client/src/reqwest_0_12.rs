//! Clients of reqwest 0.12. The items are those of the module for reqwest 0.13, except its
//! middleware.
#![allow(clippy::duplicate_mod, reason = "the module for the other version has the same files")]

use ::reqwest_0_12 as version;

#[path = "reqwest/attempt.rs"]
mod attempt;
#[path = "reqwest/builder.rs"]
mod builder;
#[path = "reqwest/client.rs"]
mod client;
#[path = "reqwest/existing.rs"]
mod existing;
#[path = "reqwest/limit.rs"]
mod limit;
#[path = "reqwest/redirect.rs"]
mod redirect;
#[path = "reqwest/request.rs"]
mod request;
#[path = "reqwest/resend.rs"]
mod resend;

pub use self::{
    builder::{ReqwestBuildError, ReqwestBuilder, ReqwestExt},
    client::ReqwestClient,
    existing::{ObservedRequest, RequestBuilderExt},
    request::ReqwestRequest,
};
