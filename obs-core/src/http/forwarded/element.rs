//! An element of `Forwarded`, written by one proxy (RFC 7239 §4).

use std::borrow::Cow;

use super::{
    list::{parts, trim},
    node::Node,
};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// The sender from which the proxy got the request, if it is an address.
    pub(super) node: Option<Node>,
    pub(super) proto: Option<Cow<'a, str>>,
    pub(super) host: Option<Cow<'a, str>>,
}

impl<'a> Element<'a> {
    /// Parses an element; `None` if it is malformed. Parameters may have any order, but none may be
    /// repeated.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (mut node, mut proto, mut host) = (None, None, None);
        for pair in parts(text) {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (trim(name), unquoted(trim(value))?);
            let place = if name.eq_ignore_ascii_case("for") {
                &mut node
            } else if name.eq_ignore_ascii_case("proto") {
                &mut proto
            } else if name.eq_ignore_ascii_case("host") {
                &mut host
            } else if !name.is_empty() && name.bytes().all(is_token) {
                continue;
            } else {
                return None;
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        Some(Self { node: node.and_then(|node| Node::parse(&node)), proto, host })
    }
}

/// Returns a token, or the content of a quoted string (RFC 9110 §5.6.4). Colons and brackets must
/// be quoted. Some proxies do not quote them, which does not change their meaning.
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = value.strip_prefix('"') else {
        let valid = !value.is_empty() && value.bytes().all(|b| is_token(b) || b":[]".contains(&b));
        return valid.then_some(Cow::Borrowed(value));
    };
    let quoted = rest.strip_suffix('"')?;
    if !quoted.contains(['"', '\\']) {
        return Some(Cow::Borrowed(quoted));
    }
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => text.push(characters.next()?),
            _ => text.push(character),
        }
    }
    Some(Cow::Owned(text))
}

/// Returns `true` for a character of a token (RFC 9110 §5.6.2).
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let Element { node, proto, host } = Element::parse(text)?;
        let node = node.map(|node| node.address.to_string()).unwrap_or_default();
        Some(format!("{node} {} {}", proto.unwrap_or_default(), host.unwrap_or_default()))
    }

    #[test]
    fn the_examples_of_the_specification_are_parsed() {
        for (text, expected) in [
            ("for=\"_gazonk\"", "  "),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17  "),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60 http "),
            ("for=_hidden", "  "),
            ("for=unknown", "  "),
            ("by=203.0.113.43;host=example.com;Proto=https;FOR=192.0.2.43", "192.0.2.43 https example.com"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn white_space_quotes_and_other_parameters_are_accepted() {
        for (text, expected) in [
            (" for = 192.0.2.60 ;\tproto = \"https\" ; ", "192.0.2.60 https "),
            (r#"host="a\.example\:80";x="\";for=\"""#, "  a.example:80"),
            ("for=192.0.2.60:80;host=a.example:80", "192.0.2.60  a.example:80"),
            ("for=[::1]:80", "::1  "),
            ("for=\"\";;secret=_x", "  "),
            ("proto=https", " https "),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn malformed_elements_are_rejected() {
        for text in [
            "192.0.2.60",
            "for=",
            "=192.0.2.60",
            "for=192.0.2.60;for=192.0.2.61",
            "for=192.0.2.60;For=192.0.2.60",
            "for=\"192.0.2.60",
            "for=192.0.2.60\"",
            "for=\"a\"b\"",
            "for=\"",
            r#"for="a\""#,
            "for=192.0.2.60 proto=http",
            "for=192.0.2.60;a b=1",
            "for=ä",
            "for=192.0.2.60;proto=\u{fffd}",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
