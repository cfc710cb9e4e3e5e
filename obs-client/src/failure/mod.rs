//! One table of failures for all clients.
//!
//! An error of a client is a chain. Each crate of the chain states facts: hyper-util knows that the
//! connection was not established yet, and the I/O error below it knows that a name was not found.
//! The failure follows from the facts of the whole chain, so it is the same for each client.

#[cfg(feature = "awc")]
pub(crate) mod awc;
mod chain;
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]
mod hyper;
mod io;
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]
mod report;
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12"))]
mod reqwest;
mod text;
#[cfg(feature = "tonic")]
mod tonic;

use std::error::Error;

use obs_core::output::CallFailure;

use self::chain::chain;
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]
pub(crate) use self::report::report;
#[cfg(any(feature = "reqwest", feature = "reqwest-0-12"))]
pub(crate) use self::report::report_error;

/// Returns the failure that an error of a client stands for.
///
/// It reads the error and its sources, and also the errors inside of I/O errors, which
/// [`source`](Error::source) skips. It knows the errors of hyper, hyper-util, h2, reqwest and the
/// standard library. An error that it does not know is `_OTHER`.
///
/// ```
/// use std::io;
///
/// let error = io::Error::from(io::ErrorKind::ConnectionRefused);
/// assert_eq!(obs_client::failure_of(&error).as_str(), "connect");
/// ```
#[must_use]
pub fn failure_of(error: &(dyn Error + 'static)) -> CallFailure {
    let mut facts = Facts::default();
    for error in chain(error) {
        facts.read(error);
        if facts.own_body {
            break; // the rest of the chain is the application's own error
        }
    }
    facts.failure()
}

/// The statements of the errors of one chain.
#[derive(Debug, Default)]
struct Facts {
    /// The error belongs to the time before there was a connection.
    connecting: bool,
    /// A name was not resolved.
    dns: bool,
    /// No connection of the transport or through the proxy was established, so there was no TLS
    /// handshake with the peer yet.
    transport: bool,
    /// An I/O error without a meaning for the transport. During a connect, TLS reports such errors.
    other_io: bool,
    timeout: bool,
    redirect: bool,
    reset: bool,
    incomplete: bool,
    /// The response is not valid HTTP, or its body is not in the encoding that it states.
    decode: bool,
    body: bool,
    /// The body of the request failed.
    own_body: bool,
}

impl Facts {
    fn read(&mut self, error: &(dyn Error + 'static)) {
        io::read(error, self);
        #[cfg(any(feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]
        hyper::read(error, self);
        #[cfg(any(feature = "reqwest", feature = "reqwest-0-12"))]
        reqwest::read(error, self);
        #[cfg(feature = "tonic")]
        tonic::read(error, self);
        text::read(&error, self);
    }

    fn failure(&self) -> CallFailure {
        if self.redirect {
            CallFailure::Redirect
        } else if self.own_body {
            CallFailure::Body
        } else if self.connecting && self.timeout {
            CallFailure::ConnectTimeout
        } else if self.dns {
            CallFailure::Dns
        } else if self.connecting && self.other_io && !self.transport {
            CallFailure::Tls
        } else if self.connecting || self.transport {
            CallFailure::Connect
        } else if self.timeout {
            CallFailure::Timeout
        } else if self.reset {
            CallFailure::Reset
        } else if self.incomplete {
            CallFailure::Incomplete
        } else if self.decode {
            CallFailure::Decode
        } else if self.body {
            CallFailure::Body
        } else {
            CallFailure::Other("_OTHER")
        }
    }
}
