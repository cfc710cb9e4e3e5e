//! The headers that the start of a request looks at, found in one pass.
//!
//! Each look-up in a framework's map hashes a name; a dozen of them cost several times what it costs to go through all of a request's
//! headers once. And most of those that are looked for are not there, which one bit tells.

use crate::http::headers::HeaderLookup;

/// How many are remembered; of a request that has more, each is looked up as before.
const ROOM: usize = 16;

/// A set of header names, in 64 bits: a name that is in it is found in it, and few others are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(u64);

impl Names {
    /// What the core itself may ask for.
    pub(crate) const KNOWN: Self = Self(0)
        .with("baggage")
        .with("b3")
        .with("content-length")
        .with("content-type")
        .with("forwarded")
        .with("grpc-timeout")
        .with("host")
        .with("traceparent")
        .with("tracestate")
        .with("uber-trace-id")
        .with("user-agent")
        .with("x-b3-flags")
        .with("x-b3-sampled")
        .with("x-b3-spanid")
        .with("x-b3-traceid")
        .with("x-forwarded-for")
        .with("x-forwarded-host")
        .with("x-forwarded-port")
        .with("x-forwarded-proto")
        .with("x-request-id");

    /// With one more, in lower case.
    pub(crate) const fn with(self, name: &str) -> Self {
        self.and(Self::of(name))
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The factors keep most names of ours apart, and from what browsers send.
    const fn of(name: &str) -> Self {
        let [first, .., last] = name.as_bytes() else { return Self(1) };
        let place = (name.len() as u32).wrapping_mul(2) + (*last as u32) * 12 + *first as u32;
        Self(1 << (place % 64))
    }
}

/// A request's headers, as far as anybody here asks for them.
pub(crate) struct Wanted<'a> {
    found: [Option<(&'a str, &'a [u8])>; ROOM],
    count: usize,
    names: Names,
    /// Where one pass was not possible or not enough.
    all: Option<&'a dyn HeaderLookup>,
}

impl<'a> Wanted<'a> {
    pub(crate) const fn none() -> Self {
        Self { found: [None; ROOM], count: 0, names: Names(0), all: None }
    }

    /// Looks through a request's headers. It is filled where it is, because it is large.
    pub(crate) fn look(&mut self, headers: &'a dyn HeaderLookup, wanted: Names) {
        let listed = headers.all(&mut |name, value| {
            let bit = Names::of(name);
            if wanted.has(bit) {
                if let Some(place) = self.found.get_mut(self.count) {
                    *place = Some((name, value));
                }
                self.count = self.count.wrapping_add(1);
                self.names = self.names.and(bit);
            }
        });
        if !listed || self.count > ROOM {
            self.all = Some(headers);
        }
    }
}

impl HeaderLookup for Wanted<'_> {
    // Where the name is known at compile time, so is its bit.
    #[inline]
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        if let Some(all) = self.all {
            return all.each(name, f);
        }
        if self.names.has(Names::of(name)) {
            let found = self.found.iter().map_while(Option::as_ref);
            found.filter(|(found, _)| *found == name).for_each(|(_, value)| f(value));
        }
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
        let mut wanted = Wanted::none();
        wanted.look(headers, Names::KNOWN.with("x-told"));
        wanted.each(name, &mut |value| values.push(String::from_utf8_lossy(value).into_owned()));
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
