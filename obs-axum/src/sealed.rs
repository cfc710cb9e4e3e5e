//! Two traits that other crates cannot implement. One seals the extension trait of routers. The
//! other one allows a call of its method only if no state is missing in the router.

use axum::Router;

pub trait Sealed {}
impl<S> Sealed for Router<S> {}

/// A router in which no state is missing: `with_state` was called, or no handler needs a state.
#[diagnostic::on_unimplemented(
    message = "`observed` needs a router that has its state, but this is a `{Self}`",
    label = "call `.with_state(…)` before this `.observed(…)`",
    note = "the order is `Router::new().route(…).with_state(state).observed(&observer)`"
)]
pub trait CompleteRouter: Sealed {
    #[doc(hidden)]
    fn complete(self) -> Router;
}

impl CompleteRouter for Router {
    fn complete(self) -> Router {
        self
    }
}
