//! Errors of reqwest.

use std::error::Error;

use super::Facts;

pub(super) fn read(error: &(dyn Error + 'static), facts: &mut Facts) {
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<::reqwest::Error>() {
        facts.timeout |= error.is_timeout();
        facts.redirect |= error.is_redirect();
        facts.decode |= error.is_decode();
        facts.body |= error.is_body();
        facts.dns |= error.is_dns();
    }
    #[cfg(feature = "reqwest-0-12")]
    if let Some(error) = error.downcast_ref::<reqwest_0_12::Error>() {
        facts.timeout |= error.is_timeout();
        facts.redirect |= error.is_redirect();
        facts.decode |= error.is_decode();
        facts.body |= error.is_body();
    }
}
