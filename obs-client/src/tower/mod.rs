//! Any tower service that sends `http` requests, such as the client of hyper-util.

mod future;
mod head;
mod layer;
mod service;

pub use self::{
    future::CallFuture,
    layer::{CallLayer, ClientExt},
    service::CallService,
};
