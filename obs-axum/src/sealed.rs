//! The seal of the extension traits: nobody outside can implement them.

pub trait Sealed {}
impl Sealed for obs_core::Observer {}
#[cfg(feature = "axum")]
impl Sealed for axum::Router {}
