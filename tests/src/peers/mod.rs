//! Peers that behave badly, for tests of HTTP clients. Each listens on loopback, at a port that the
//! system chooses, and has its own thread and runtime. So tests on any runtime can use it.
//!
//! | file | peers |
//! |---|---|
//! | [`answer`] | responds with a status and a body |
//! | [`redirect`] | redirects to itself or to another peer |
//! | [`fails_first`] | fails a number of times, then succeeds |
//! | [`slow`] | waits for the test, before the response or inside of its body |
//! | [`abrupt`] | resets, closes or ends a response too early, or sends none |
//! | [`tls`] | has a certificate for given names |
//! | [`mod@unreachable`] | refuses, does not accept, or has a name that does not resolve |
//! | [`http2`] | refuses streams, resets them, or ends connections with `GOAWAY` |
//! | [`proxy`] | forwards requests and tunnels |
//!
//! [`Peer`] is the handle of them all. It has the requests that the peer received, with all headers
//! and the bytes of the bodies.

pub mod abrupt;
pub mod answer;
pub mod fails_first;
mod gate;
pub mod http2;
mod peer;
pub mod proxy;
mod received;
pub mod redirect;
pub mod slow;
pub mod tls;
pub mod unreachable;
mod wire;

pub use self::{gate::Gate, peer::Peer, received::ReceivedRequest};
