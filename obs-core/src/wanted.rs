//! The headers that the start of a request looks at, found in one pass.
//!
//! Each look-up in a framework's map hashes a name; a dozen of them cost several times what it costs to go through all of a request's
//! headers once.

use std::sync::Arc;

use crate::HeaderLookup;

/// How many are remembered; of a request that has more, each is looked up as before.
const ROOM: usize = 16;

/// A request's headers, as far as anybody here asks for them.
pub(crate) struct Wanted<'a> {
    found: [(&'a str, &'a [u8]); ROOM],
    count: usize,
    /// Where one pass was not possible or not enough.
    all: Option<&'a dyn HeaderLookup>,
}

impl<'a> Wanted<'a> {
    /// `more` are the names that settings want, in lower case.
    pub(crate) fn of(headers: &'a dyn HeaderLookup, more: &[Arc<str>]) -> Self {
        let mut this = Self { found: [("", &[]); ROOM], count: 0, all: None };
        let mut fits = true;
        let listed = headers.all(&mut |name, value| {
            if is_always_wanted(name) || more.iter().any(|wanted| **wanted == *name) {
                match this.found.get_mut(this.count) {
                    Some(place) => *place = (name, value),
                    None => fits = false,
                }
                this.count = this.count.saturating_add(1);
            }
        });
        if !listed || !fits {
            this.all = Some(headers);
        }
        this
    }
}

/// What the core itself may ask for.
fn is_always_wanted(name: &str) -> bool {
    matches!(
        name,
        "baggage"
            | "b3"
            | "content-length"
            | "content-type"
            | "forwarded"
            | "grpc-timeout"
            | "host"
            | "traceparent"
            | "tracestate"
            | "uber-trace-id"
            | "user-agent"
            | "x-b3-flags"
            | "x-b3-sampled"
            | "x-b3-spanid"
            | "x-b3-traceid"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-port"
            | "x-forwarded-proto"
            | "x-request-id"
    )
}

impl HeaderLookup for Wanted<'_> {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        if let Some(all) = self.all {
            return all.each(name, f);
        }
        let found = self.found.iter().take(self.count);
        found.filter(|(found, _)| *found == name).for_each(|(_, value)| f(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs<'a>(&'a [(&'a str, &'a str)], bool);
    impl HeaderLookup for Pairs<'_> {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, value)| f(value.as_bytes()));
        }
        fn all<'a>(&'a self, f: &mut dyn FnMut(&'a str, &'a [u8])) -> bool {
            self.0.iter().filter(|_| self.1).for_each(|(name, value)| f(name, value.as_bytes()));
            self.1
        }
    }

    fn of(headers: &dyn HeaderLookup, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        Wanted::of(headers, &["x-told".into()])
            .each(name, &mut |value| values.push(String::from_utf8_lossy(value).into_owned()));
        values
    }

    #[test]
    fn every_wanted_one_is_found_in_order_however_many_there_are() {
        let one = [("x-told", "a"), ("accept", "*/*"), ("x-told", "b"), ("host", "shop")];
        let many: Vec<_> = std::iter::repeat_n(("tracestate", "a=1"), 40).chain(one).collect();
        for pairs in [&one[..], &many] {
            for listed in [true, false] {
                let headers = Pairs(pairs, listed);
                assert_eq!(of(&headers, "x-told"), ["a", "b"]);
                assert_eq!(of(&headers, "host"), ["shop"]);
                assert_eq!(of(&headers, "tracestate").len(), if pairs.len() > 4 { 40 } else { 0 });
            }
        }
    }
}
