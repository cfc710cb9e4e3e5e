//! The `tracestate` header (Trace Context level 2, §3.3).

use super::wire::{joined, trim};
use crate::http::headers::HeaderLookup;

/// The maximum number of members. A longer list is dropped completely.
const MAX_MEMBERS: usize = 32;

/// The length from which a member is dropped first if the list must be cut.
const LONG_MEMBER: usize = 128;

/// The maximum number of bytes that are passed on. The specification requires at least 512.
const MAX_OUT: usize = 2 * 1024;

/// The maximum number of bytes that are read: 32 members of maximum length, with room for white
/// space.
const MAX_IN: usize = 20 * 1024;

/// The data that other tracing systems pass along, as a valid list, which may be empty.
///
/// ```
/// use obs_core::trace::TraceState;
/// let state = TraceState::parse("congo=t61rcWkgMzE, ,rojo=00f067aa0ba902b7");
/// assert_eq!(state.as_str(), "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
/// assert_eq!(state.get("rojo"), Some("00f067aa0ba902b7"));
/// assert!(TraceState::parse("not valid").is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceState(Option<Box<str>>);

impl TraceState {
    /// Reads all `tracestate` headers.
    pub(crate) fn find(headers: &(impl HeaderLookup + ?Sized)) -> Self {
        joined(headers, "tracestate", MAX_IN).map_or(Self(None), |all| Self::parse(&all))
    }

    /// Parses a list. The result is empty if any member is invalid, if there are more than 32
    /// members, or if the list has more than 20 KiB.
    ///
    /// Empty members are skipped. Of members with the same key, the first is kept. From a list of
    /// more than 2 KiB, whole members are removed: first those of more than 128 characters, then
    /// the last ones.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let mut members: Vec<&str> = Vec::new();
        if list.len() > MAX_IN {
            return Self(None);
        }
        let mut count = 0_usize;
        for member in list.split(',').map(trim).filter(|member| !member.is_empty()) {
            count = count.saturating_add(1);
            let Some((key, value)) = member.split_once('=') else { return Self(None) };
            if count > MAX_MEMBERS || !is_key(key) || !is_value(value) {
                return Self(None);
            }
            if !members.iter().any(|other| key_of(other) == key) {
                members.push(member);
            }
        }
        cut(&mut members);
        Self((!members.is_empty()).then(|| members.join(",").into()))
    }

    /// Returns the list as the value of a header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Returns `true` if there are no members.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut members = self.as_str().split(',').filter_map(|member| member.split_once('='));
        members.find(|(k, _)| *k == key).map(|(_, value)| value)
    }
}

fn key_of(member: &str) -> &str {
    member.split('=').next().unwrap_or_default()
}

/// Removes whole members until the rest fits.
fn cut(members: &mut Vec<&str>) {
    let length =
        |members: &[&str]| members.iter().map(|member| member.len().saturating_add(1)).sum::<usize>();
    while length(members) > MAX_OUT.saturating_add(1) {
        let long = members.iter().rposition(|member| member.len() > LONG_MEMBER);
        match long {
            Some(at) => drop(members.remove(at)),
            None => drop(members.pop()),
        }
    }
}

/// Returns `true` for a valid key: 1 to 256 of `[a-z0-9_*/@-]`, the first a letter or a digit.
fn is_key(key: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-*/@".contains(&b);
    let first = key.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    first && key.len() <= 256 && key.bytes().all(allowed)
}

/// Returns `true` for a valid value: 1 to 256 printable characters without `,` and `=`, the last
/// not a space.
fn is_value(value: &str) -> bool {
    let allowed = |b: u8| (0x20..=0x7e).contains(&b) && b != b',' && b != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(allowed) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::tests::Pairs;

    fn parsed(list: &str) -> String {
        TraceState::parse(list).as_str().to_owned()
    }

    #[test]
    fn the_examples_of_the_specification_are_parsed() {
        let long_key = "z".repeat(256);
        let too_long = "z".repeat(257);
        for (list, valid) in [
            ("foo=1".to_owned(), true),
            ("foo=1,bar=2".to_owned(), true),
            // Keys of level 2: `@` and digits anywhere.
            ("foo@bar=1".to_owned(), true),
            ("foo@@bar=1,@foo=1".to_owned(), false),
            ("foo@@bar=1".to_owned(), true),
            ("0foo=1".to_owned(), true),
            ("foo_-*/@=1".to_owned(), true),
            (format!("{long_key}=1"), true),
            (format!("{too_long}=1"), false),
            ("Foo=1".to_owned(), false),
            ("foo =1".to_owned(), false),
            ("=1".to_owned(), false),
            // Values.
            ("foo=a b".to_owned(), true),
            (format!("foo={long_key}"), true),
            (format!("foo={too_long}"), false),
            ("foo=".to_owned(), false),
            ("foo=a=b".to_owned(), false),
            ("foo=ä".to_owned(), false),
            ("foo".to_owned(), false),
            ("foo;bar".to_owned(), false),
        ] {
            assert_eq!(!parsed(&list).is_empty(), valid, "{list:?}");
        }
    }

    #[test]
    fn white_space_and_empty_members_are_skipped() {
        assert_eq!(parsed("foo=1 \t , \t bar=2, \t baz=3"), "foo=1,bar=2,baz=3");
        assert_eq!(parsed(",foo=1,, ,bar=2,"), "foo=1,bar=2");
        assert_eq!(parsed(""), "");
        assert_eq!(parsed(" , ,"), "");
    }

    #[test]
    fn headers_are_joined_in_order_and_repeated_keys_are_dropped() {
        let headers = [("tracestate", "a=1,b=2"), ("tracestate", ""), ("tracestate", "c=3,a=4")];
        assert_eq!(TraceState::find(&Pairs(&headers)).as_str(), "a=1,b=2,c=3");
    }

    #[test]
    fn more_than_32_members_are_invalid() {
        let list = |n: usize| (0..n).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        assert_eq!(parsed(&list(32)), list(32));
        assert_eq!(parsed(&list(33)), "");
    }

    #[test]
    fn a_long_list_loses_long_members_first() {
        let long = format!("long={}", "x".repeat(250));
        let short: Vec<_> = (0..20).map(|n| format!("k{n:02}={}", "y".repeat(100))).collect();
        let list = format!("{},{long},{}", short[..10].join(","), short[10..].join(","));
        let out = parsed(&list);
        assert!(out.len() <= MAX_OUT);
        assert!(!out.contains("long="), "the long member is dropped first");
        assert!(out.starts_with(&short[..10].join(",")), "then members are dropped from the end");
        assert!(!out.contains("k19="));
        // A list that the specification guarantees is never cut.
        let guaranteed = format!("a={},b={}", "x".repeat(250), "y".repeat(250));
        assert_eq!(parsed(&guaranteed), guaranteed);
    }

    proptest! {
        #[test]
        fn any_text_is_accepted_and_the_result_is_valid(list in "[ -~\t,=ä]{0,300}") {
            let state = TraceState::parse(&list);
            prop_assert!(state.as_str().len() <= MAX_OUT);
            prop_assert_eq!(TraceState::parse(state.as_str()), state);
        }

        #[test]
        fn a_valid_list_is_unchanged(members in prop::collection::btree_map("[a-z0-9][a-z0-9_*/@-]{0,20}", "[!-+\\--<>-~]{1,20}", 1..32)) {
            let list = members.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(",");
            let state = TraceState::parse(&list);
            prop_assert_eq!(state.as_str(), &list);
            for (key, value) in &members {
                prop_assert_eq!(state.get(key), Some(value.as_str()));
            }
        }
    }
}
