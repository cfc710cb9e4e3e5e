//! The number of a request in a chain of redirects.
//!
//! awc follows redirects outside of its middlewares, and each one is a new request. The next
//! request is the redirect if it goes to the `location` of the last response, and if that response
//! still exists. awc sends the redirect while it holds the response.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use actix_http::{HttpMessage, Uri, header};
use awc::ClientResponse;

/// The number of earlier requests in the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resend(u32);

impl Resend {
    pub(super) const fn number(self) -> u32 {
        self.0
    }
}

/// The last redirect of a client.
#[derive(Debug, Default)]
pub(super) struct Redirects(RefCell<Option<Redirect>>);

#[derive(Debug)]
struct Redirect {
    response: Weak<Alive>,
    location: Box<str>,
    next: Resend,
}

/// The part of a response that shows that it still exists.
struct Alive;

impl Redirects {
    /// Remembers a response if it is a redirect.
    pub(super) fn note(&self, response: &ClientResponse, resend: Resend) {
        if !response.status().is_redirection() {
            return;
        }
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let Some(location) = location else { return };
        let alive = Rc::new(Alive);
        let redirect = Redirect {
            response: Rc::downgrade(&alive),
            location: location.into(),
            next: Resend(resend.0.saturating_add(1)),
        };
        response.extensions_mut().insert(alive);
        self.0.replace(Some(redirect));
    }

    /// Returns the number of a request to this URL.
    pub(super) fn resend(&self, uri: &Uri) -> Resend {
        let Some(last) = self.0.take() else { return Resend(0) };
        let is_next = last.response.strong_count() > 0 && leads_to(&last.location, uri);
        if is_next { last.next } else { Resend(0) }
    }
}

/// Returns true if a `location`, which can be relative, leads to this URL.
fn leads_to(location: &str, uri: &Uri) -> bool {
    let location = location.split('#').next().unwrap_or_default().trim_end_matches('/');
    uri.to_string().trim_end_matches('/').ends_with(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_leads_to_its_url() {
        let to = |location, uri: &'static str| leads_to(location, &Uri::from_static(uri));
        assert!(to("/end?id=1", "http://one.test/end?id=1"));
        assert!(to("end", "http://one.test/end"));
        assert!(to("http://two.test", "http://two.test/"));
        assert!(to("http://two.test/a#part", "http://two.test/a"));
        assert!(to("//two.test/a", "https://two.test/a"));
        assert!(!to("/end", "http://one.test/other"));
        assert!(!to("http://two.test/end", "http://one.test/end"));
    }
}
