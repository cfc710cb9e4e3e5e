//! The `baggage` header (W3C Baggage).

use std::borrow::Cow;

use super::wire::trim;
use crate::{base::text::percent_decoded, http::headers::HeaderLookup};

/// The limits for all headers together: the specification guarantees as much, and no more is passed
/// on.
const MAX_MEMBERS: usize = 64;
const MAX_BYTES: usize = 8192;

/// The maximum number of bytes that are read. White space does not count for the limits, but there
/// must be an end.
const MAX_IN: usize = 64 * 1024;

/// The data that callers pass along to this service and to those that it calls: keys and values.
/// All members are valid.
///
/// The limits are those that W3C Baggage §3.3.2 guarantees: 64 members and 8,192 bytes. Members
/// beyond the limits and invalid members are dropped completely. White space does not count. Bytes
/// beyond 64 KiB are not even read.
///
/// ```
/// use obs_core::trace::Baggage;
/// let baggage = Baggage::parse("tenant=blue%20team;ttl=1, feature = new");
/// assert_eq!(baggage.get("tenant").as_deref(), Some("blue team"));
/// assert_eq!(baggage.as_str(), "tenant=blue%20team;ttl=1,feature=new");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baggage(Option<Box<str>>);

impl Baggage {
    /// Reads all `baggage` headers, up to the limits.
    #[inline]
    pub(crate) fn find(headers: &(impl HeaderLookup + ?Sized)) -> Self {
        let mut collected = CollectedMembers::default();
        headers.each("baggage", &mut |value| collected.add(value));
        collected.finish()
    }

    /// Parses a list of members.
    #[must_use]
    pub fn parse(list: &str) -> Self {
        let mut collected = CollectedMembers::default();
        collected.add(list.as_bytes());
        collected.finish()
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

    /// Returns the decoded value of the first member with this key. Bytes that are not valid UTF-8
    /// become U+FFFD.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Cow<'_, str>> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// Returns all members in their order, including repeated keys. Values are decoded, and
    /// properties are omitted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let members = self.as_str().split(',').filter_map(|member| member.split_once('='));
        members.map(|(key, rest)| (key, percent_decoded(rest.split(';').next().unwrap_or_default())))
    }
}

#[derive(Default)]
struct CollectedMembers {
    list: String,
    members: usize,
    /// The number of bytes read so far.
    read: usize,
}

impl CollectedMembers {
    fn add(&mut self, header: &[u8]) {
        for member in header.split(|byte| *byte == b',') {
            // The comma before the member counts, too.
            self.read = self.read.saturating_add(member.len()).saturating_add(1);
            if self.read > MAX_IN || self.members >= MAX_MEMBERS {
                self.members = MAX_MEMBERS;
                return;
            }
            let Some(member) = std::str::from_utf8(member).ok().and_then(normalized) else { continue };
            let comma = usize::from(!self.list.is_empty());
            let length = self.list.len().saturating_add(comma).saturating_add(member.len());
            if length > MAX_BYTES {
                self.members = MAX_MEMBERS;
                return;
            }
            if comma > 0 {
                self.list.push(',');
            }
            self.list.push_str(&member);
            self.members = self.members.saturating_add(1);
        }
    }

    fn finish(self) -> Baggage {
        Baggage((!self.list.is_empty()).then(|| self.list.into()))
    }
}

/// Removes optional white space from a member; `None` if the member is invalid.
fn normalized(member: &str) -> Option<String> {
    let mut parts = member.split(';');
    let (key, value) = parts.next()?.split_once('=')?;
    let (key, value) = (trim(key), trim(value));
    if !is_token(key) || !value.bytes().all(is_octet) {
        return None;
    }
    let mut normalized = format!("{key}={value}");
    for property in parts {
        let (key, value) = property.split_once('=').map_or((property, None), |(k, v)| (k, Some(v)));
        let key = trim(key);
        if !is_token(key) {
            return None;
        }
        normalized.push(';');
        normalized.push_str(key);
        if let Some(value) = value.map(trim) {
            if !value.bytes().all(is_octet) {
                return None;
            }
            normalized.push('=');
            normalized.push_str(value);
        }
    }
    Some(normalized)
}

/// Returns `true` for a token (RFC 9110 §5.6.2).
fn is_token(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Returns `true` for a `baggage-octet`: printable, except space, `"`, `,`, `;` and `\`.
const fn is_octet(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::tests::Pairs;

    #[test]
    fn the_examples_of_the_specification_are_parsed() {
        let baggage = Baggage::parse(
            "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
        );
        assert_eq!(
            baggage.as_str(),
            "key1=value1;property1;property2,key2=value2,key3=value3;propertyKey=propertyValue"
        );
        let all: Vec<_> = baggage.iter().map(|(k, v)| format!("{k}:{v}")).collect();
        assert_eq!(all, ["key1:value1", "key2:value2", "key3:value3"]);
        assert_eq!(Baggage::parse("serverNode=DF%2028").get("serverNode").as_deref(), Some("DF 28"));
        assert_eq!(Baggage::parse("a=b=c").get("a").as_deref(), Some("b=c"), "a value may contain `=`");
        assert_eq!(Baggage::parse("a=").get("a").as_deref(), Some(""));
        assert_eq!(Baggage::parse("a=%FF%zz%4").get("a").as_deref(), Some("\u{fffd}%zz%4"));
    }

    #[test]
    fn headers_are_joined_and_repeated_keys_keep_their_order() {
        let headers = [("baggage", "a=1,b=2"), ("baggage", "a=3")];
        let baggage = Baggage::find(&Pairs(&headers));
        assert_eq!(baggage.as_str(), "a=1,b=2,a=3");
        assert_eq!(baggage.get("a").as_deref(), Some("1"));
    }

    #[test]
    fn only_the_invalid_members_are_dropped() {
        assert_eq!(Baggage::parse("a=1,no value,b=2,c d=3,=4,e=\"5\",f=6;g h,ä=7").as_str(), "a=1,b=2");
    }

    #[test]
    fn both_limits_apply_and_the_guaranteed_minimum_is_kept() {
        let members = |n: usize| (0..n).map(|n| format!("k{n}=1")).collect::<Vec<_>>().join(",");
        assert_eq!(Baggage::parse(&members(64)).as_str(), members(64));
        assert_eq!(Baggage::parse(&members(1_000_000)).as_str(), members(64));
        let exactly = format!("a={}", "x".repeat(MAX_BYTES - 2));
        assert_eq!(Baggage::parse(&exactly).as_str(), exactly);
        let second = format!("b=1,{exactly}");
        assert_eq!(Baggage::parse(&second).as_str(), "b=1", "whole members only");
        let spaces = format!("{}a=1 ,{}b=2", " ".repeat(20_000), "\t".repeat(20_000));
        assert_eq!(Baggage::parse(&spaces).as_str(), "a=1,b=2", "white space does not count");
        assert_eq!(Baggage::parse(&format!("a=1,{}b=2", " ".repeat(MAX_IN))).as_str(), "a=1");
    }

    proptest! {
        #[test]
        fn any_bytes_are_accepted_and_the_result_is_valid(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut collected = CollectedMembers::default();
            collected.add(&bytes);
            let baggage = collected.finish();
            prop_assert!(baggage.as_str().len() <= MAX_BYTES);
            prop_assert_eq!(Baggage::parse(baggage.as_str()), baggage);
        }

        #[test]
        fn a_valid_list_is_unchanged(list in "[a-z!#$%&'*+.^_`|~-]{1,9}=[!#-+\\--:<-\\[\\]-~]{0,20}(,[a-z]{1,9}=[a-z%=]{0,20}(;[a-z]{1,5}(=[a-z]{0,5})?){0,2}){0,20}") {
            let baggage = Baggage::parse(&list);
            prop_assert_eq!(baggage.as_str(), &list);
        }
    }
}
