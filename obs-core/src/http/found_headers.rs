//! The headers that the start of a request reads, found in one pass.
//!
//! Each look-up in a framework's header map hashes a name. A dozen look-ups cost several times as
//! much as one pass over all headers of a request. Most of the headers that the core reads are
//! absent from a request. A set of bits shows this without a look-up.

use crate::http::headers::HeaderLookup;

/// The maximum number of stored headers. If a request has more, each look-up uses the framework's
/// map.
const ROOM: usize = 16;

/// A set of header names in 64 bits. A name that was added is always found; few other names are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderNameSet(u64);

impl HeaderNameSet {
    /// The names that the core itself may look up.
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
        .with("transfer-encoding")
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

    /// Adds a name in lower case.
    pub(crate) const fn with(self, name: &str) -> Self {
        self.and(Self::of(name))
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the set of one name. The factors separate most of our names from each other and from
    /// those that browsers send.
    const fn of(name: &str) -> Self {
        let [first, .., last] = name.as_bytes() else { return Self(1) };
        let place = (name.len() as u32).wrapping_mul(2) + (*last as u32) * 12 + *first as u32;
        Self(1 << (place % 64))
    }
}

/// The headers of a request that any part of the core looks up.
pub(crate) struct FoundHeaders<'a> {
    found: [Option<(&'a str, &'a [u8])>; ROOM],
    count: usize,
    names: HeaderNameSet,
    /// All headers, if one pass was not possible or found too many.
    all: Option<&'a dyn HeaderLookup>,
}

impl<'a> FoundHeaders<'a> {
    pub(crate) const fn none() -> Self {
        Self { found: [None; ROOM], count: 0, names: HeaderNameSet(0), all: None }
    }

    /// Reads the headers of a request in one pass. `self` is filled in place, because it is large.
    #[inline]
    pub(crate) fn collect(&mut self, headers: &'a dyn HeaderLookup, names: HeaderNameSet) {
        let listed = headers.all(&mut |name, value| {
            let bit = HeaderNameSet::of(name);
            if names.has(bit) {
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

impl HeaderLookup for FoundHeaders<'_> {
    // Inlined: for a name that is known at compile time, its bit is known, too.
    #[inline]
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        if let Some(all) = self.all {
            return all.each(name, f);
        }
        if self.names.has(HeaderNameSet::of(name)) {
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
        let mut found = FoundHeaders::none();
        found.collect(headers, HeaderNameSet::KNOWN.with("x-tenant"));
        found.each(name, &mut |value| values.push(String::from_utf8_lossy(value).into_owned()));
        values
    }

    #[test]
    fn known_headers_are_found_in_order_among_few_or_many() {
        let one = [("x-tenant", "a"), ("accept", "*/*"), ("x-tenant", "b"), ("host", "shop")];
        let many: Vec<_> = std::iter::repeat_n(("tracestate", "a=1"), 40).chain(one).collect();
        for pairs in [&one[..], &many] {
            for listed in [true, false] {
                let headers = Pairs(pairs, listed);
                assert_eq!(of(&headers, "x-tenant"), ["a", "b"]);
                assert_eq!(of(&headers, "host"), ["shop"]);
                assert_eq!(of(&headers, "tracestate").len(), if pairs.len() > 4 { 40 } else { 0 });
            }
        }
    }
}
