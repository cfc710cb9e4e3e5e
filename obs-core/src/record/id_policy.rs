//! The choice of a request's id: the caller's, or a new one.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    base::panic::catch,
    http::{head::RequestHead, headers::HeaderLookup},
    record::request_id::{MAX_REQUEST_ID, RequestId},
    redact::{Redactor, diagnostics},
};

/// Returns a new id for a request without a valid one.
pub(crate) type IdGenerator = Box<dyn Fn(&RequestHead<'_>) -> String + Send + Sync>;

/// The source of a request's id, and its header names.
pub(crate) struct IdPolicy {
    /// Header names in lower case. All are read, in this order; responses carry the first.
    headers: Vec<String>,
    trust_inbound: bool,
    generator: Option<IdGenerator>,
    /// True once the warning about an invalid generator was logged.
    warned: AtomicBool,
    /// If true, the id is written into the headers of the request.
    pub(crate) in_request: bool,
    /// If true, a response keeps an id that it already has.
    pub(crate) keep_of_response: bool,
    /// The first name, parsed in advance: parsing it for each request would allocate.
    #[cfg(feature = "http")]
    response_name: http::HeaderName,
}

impl IdPolicy {
    /// Makes the policy. `headers` are valid header names, at least one.
    pub(crate) fn new(headers: Vec<String>, trust_inbound: bool, generator: Option<IdGenerator>) -> Self {
        Self {
            #[cfg(feature = "http")]
            response_name: headers
                .first()
                .and_then(|name| name.parse().ok())
                .unwrap_or(http::HeaderName::from_static("x-request-id")),
            headers,
            trust_inbound,
            generator,
            in_request: false,
            keep_of_response: false,
            warned: AtomicBool::new(false),
        }
    }

    /// The header name for responses.
    pub(crate) fn response_header(&self) -> &str {
        self.headers.first().map_or("x-request-id", String::as_str)
    }

    /// The header names that requests carry to the service; none unless the setting is on.
    pub(crate) fn request_headers(&self) -> &[String] {
        if self.in_request { &self.headers } else { &[] }
    }

    #[cfg(feature = "http")]
    pub(crate) const fn response_name(&self) -> &http::HeaderName {
        &self.response_name
    }

    /// Returns the caller's id if it is trusted, valid and contains no secret; otherwise a new id.
    #[inline]
    pub(crate) fn choose(
        &self,
        headers: &(impl HeaderLookup + ?Sized),
        head: &RequestHead<'_>,
        redactor: &Redactor,
        since_1970: Duration,
    ) -> RequestId {
        if self.trust_inbound
            && let Some(id) = self.inbound(headers)
            && (id.is_uuid() || matches!(redactor.text(id.as_str()), Cow::Borrowed(_)))
        {
            return id;
        }
        self.generated(head).unwrap_or_else(|| RequestId::uuid_v7(since_1970))
    }

    /// Returns an id from the application's generator, if it is valid.
    #[inline]
    fn generated(&self, head: &RequestHead<'_>) -> Option<RequestId> {
        let generate = self.generator.as_ref()?;
        let id = catch(|| generate(head)).ok().and_then(|text| RequestId::parse(text.as_bytes()));
        if id.is_none() && !self.warned.swap(true, Ordering::Relaxed) {
            diagnostics::warn(format_args!(
                "the request id generator panicked or returned an id that is not 1 to {MAX_REQUEST_ID} bytes of \
                 [A-Za-z0-9._:/+=@-], or that starts with one of +=@-; UUIDs are used instead"
            ));
        }
        id
    }

    /// Returns the first valid value of the first header that has one.
    #[inline]
    fn inbound(&self, headers: &(impl HeaderLookup + ?Sized)) -> Option<RequestId> {
        let mut found = None;
        for name in &self.headers {
            headers.each(name, &mut |value| {
                if found.is_none() {
                    found = RequestId::parse(value);
                }
            });
            if found.is_some() {
                break;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        crate::redact::settings::Redaction::new().build().expect("valid")
    }

    fn head() -> RequestHead<'static> {
        RequestHead::new("GET", "/items/7", &())
    }

    struct Pairs<'a>(&'a [(&'a str, &'a [u8])]);
    impl HeaderLookup for Pairs<'_> {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value));
        }
    }

    fn policy(names: &[&str]) -> IdPolicy {
        IdPolicy::new(names.iter().map(|name| (*name).to_owned()).collect(), true, None)
    }

    #[test]
    fn names_are_tried_in_order_and_invalid_values_skipped() {
        let headers = Pairs(&[("b", b"from-b"), ("a", b"not valid"), ("a", b"from-a")]);
        let now = Duration::from_secs(1_795_000_000);
        assert_eq!(policy(&["a", "b"]).choose(&headers, &head(), &redactor(), now).as_str(), "from-a");
        assert_eq!(policy(&["b", "a"]).choose(&headers, &head(), &redactor(), now).as_str(), "from-b");
        assert_eq!(policy(&["c"]).choose(&headers, &head(), &redactor(), now).as_str().len(), 36);
    }

    #[test]
    fn untrusted_callers_and_broken_generators_get_a_uuid() {
        let headers = Pairs(&[("a", b"mine")]);
        let now = Duration::from_secs(1_795_000_000);
        let mut untrusting = policy(&["a"]);
        untrusting.trust_inbound = false;
        assert_ne!(untrusting.choose(&headers, &head(), &redactor(), now).as_str(), "mine");
        untrusting.generator = Some(Box::new(|_| "order-7".to_owned()));
        assert_eq!(untrusting.choose(&headers, &head(), &redactor(), now).as_str(), "order-7");
        untrusting.generator = Some(Box::new(|head| head.path.replace('/', ".")));
        assert_eq!(untrusting.choose(&headers, &head(), &redactor(), now).as_str(), ".items.7");
        untrusting.generator = Some(Box::new(|_| "not valid".to_owned()));
        assert_eq!(untrusting.choose(&headers, &head(), &redactor(), now).as_str().len(), 36);
        untrusting.generator = Some(Box::new(|_| panic!("a generator's own")));
        assert_eq!(untrusting.choose(&headers, &head(), &redactor(), now).as_str().len(), 36);
    }
}
