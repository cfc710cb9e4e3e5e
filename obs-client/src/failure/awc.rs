//! Errors of awc. They have no sources, so their variants are read.

use std::io;

use actix_http::error::{ParseError, PayloadError};
use awc::error::{ConnectError, SendRequestError};
use obs_core::output::CallFailure;

use super::{Facts, chain::chain, failure_of};

/// The text of actix's codec for a connection that closes inside of a message.
const CLOSED_INSIDE: &str = "bytes remaining on stream";

/// The failure of a request without a response.
pub(crate) fn failure_of_send(error: &SendRequestError) -> CallFailure {
    match error {
        SendRequestError::Connect(error) => failure_of_connect(error),
        SendRequestError::Send(error) => failure_of_io(error),
        SendRequestError::Response(error) => failure_of_parse(error),
        SendRequestError::H2(error) => error.get_io().map_or(CallFailure::Reset, |error| failure_of(error)),
        SendRequestError::Timeout => CallFailure::Timeout,
        SendRequestError::Body(_) => CallFailure::Body,
        _ => CallFailure::Other("_OTHER"),
    }
}

fn failure_of_connect(error: &ConnectError) -> CallFailure {
    match error {
        ConnectError::Resolver(_) | ConnectError::NoRecords | ConnectError::Unresolved => CallFailure::Dns,
        ConnectError::Timeout => CallFailure::ConnectTimeout,
        // The server closed the connection before the end of the response's head.
        ConnectError::Disconnected => CallFailure::Incomplete,
        ConnectError::Io(error) => {
            let mut facts = Facts { connecting: true, ..Facts::default() };
            chain(error).for_each(|error| facts.read(error));
            facts.failure()
        }
        ConnectError::H2(_) => CallFailure::Connect,
        // No TLS in this build of awc, or an error of OpenSSL.
        _ => CallFailure::Tls,
    }
}

fn failure_of_io(error: &io::Error) -> CallFailure {
    match error.get_ref() {
        Some(inner) if inner.to_string() == CLOSED_INSIDE => CallFailure::Incomplete,
        _ => failure_of(error),
    }
}

fn failure_of_parse(error: &ParseError) -> CallFailure {
    match error {
        ParseError::Io(error) => failure_of_io(error),
        ParseError::Incomplete => CallFailure::Incomplete,
        ParseError::Timeout => CallFailure::Timeout,
        _ => CallFailure::Decode,
    }
}

/// The failure of a response's body.
pub(crate) fn failure_of_payload(error: &PayloadError) -> CallFailure {
    match error {
        PayloadError::Incomplete(None) => CallFailure::Incomplete,
        PayloadError::Http2Payload(error) => {
            error.get_io().map_or(CallFailure::Reset, |error| failure_of(error))
        }
        PayloadError::Incomplete(Some(error)) | PayloadError::Io(error) => failure_of_io(error),
        PayloadError::EncodingCorrupted => CallFailure::Decode,
        _ => CallFailure::Body,
    }
}
