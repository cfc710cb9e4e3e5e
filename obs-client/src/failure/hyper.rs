//! Errors of hyper, hyper-util and h2.

use std::error::Error;

use hyper_util::client::legacy;

use super::Facts;

pub(super) fn read(error: &(dyn Error + 'static), facts: &mut Facts) {
    if let Some(error) = error.downcast_ref::<legacy::Error>() {
        facts.connecting |= error.is_connect();
    } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
        facts.timeout |= error.is_timeout();
        facts.incomplete |= error.is_incomplete_message();
        facts.decode |= error.is_parse();
        facts.own_body |= error.is_user() || error.is_body_write_aborted();
        // The connection ended before the request was sent on it.
        facts.reset |= error.is_canceled() || error.is_closed();
    } else if let Some(error) = error.downcast_ref::<h2::Error>() {
        facts.reset |= !error.is_io();
    }
}
