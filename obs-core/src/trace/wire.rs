//! Helpers that the formats share: headers that occur once, and ids in hexadecimal digits.

use crate::http::headers::HeaderLookup;

/// Reads the request's only header of this name with `read`. Several headers count as none.
pub(super) fn only<T>(
    headers: &(impl HeaderLookup + ?Sized),
    name: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let (mut count, mut found) = (0_u32, None);
    headers.each(name, &mut |value| {
        count = count.saturating_add(1);
        found = std::str::from_utf8(value).ok().and_then(|text| read(trim(text)));
    });
    found.filter(|_| count == 1)
}

/// Parses one to twice `N` hexadecimal digits, in any case, into `N` bytes with zeros on the left.
pub(super) fn padded<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.is_empty() || text.len() > N.checked_mul(2)? {
        return None;
    }
    let mut bytes = [0; N];
    let mut digits = text.bytes().rev();
    let mut places = bytes.iter_mut().rev();
    while let Some(low) = digits.next() {
        let high = digits.next().unwrap_or(b'0');
        *places.next()? = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Joins all values of a header in their order, with commas between them (RFC 9110 §5.3). Returns
/// `None` if there are none, if together they exceed `limit`, or if one is not ASCII.
pub(super) fn joined(headers: &(impl HeaderLookup + ?Sized), name: &str, limit: usize) -> Option<String> {
    let mut all = String::new();
    let (mut any, mut valid) = (false, true);
    headers.each(name, &mut |value| {
        let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
        let fits = all.len().saturating_add(value.len()) < limit;
        match text {
            Some(text) if valid && fits => {
                if any {
                    all.push(',');
                }
                all.push_str(text);
                any = true;
            }
            _ => valid = false,
        }
    });
    (any && valid).then_some(all)
}

/// Removes optional white space (RFC 9110 §5.6.3), which is spaces and tabs, at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::tests::Pairs;

    #[test]
    fn a_repeated_header_is_ignored() {
        let read = |pairs| only(&Pairs(pairs), "a", |text| Some(text.to_owned()));
        assert_eq!(read(&[("a", " 1\t")]).as_deref(), Some("1"));
        assert_eq!(read(&[("a", "1"), ("a", "1")]), None);
        assert_eq!(read(&[("b", "1")]), None);
    }

    #[test]
    fn hexadecimal_digits_are_parsed() {
        for (text, bytes) in [
            ("1", Some([0, 1])),
            ("1f", Some([0, 0x1f])),
            ("abc", Some([0x0a, 0xbc])),
            ("ABCD", Some([0xab, 0xcd])),
            ("0000", Some([0, 0])),
            ("00001", None),
            ("", None),
            ("+1", None),
            (" 1", None),
            ("ä", None),
        ] {
            assert_eq!(padded::<2>(text), bytes, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn hexadecimal_numbers_are_parsed_and_other_texts_rejected(text in "[0-9a-fA-F]{1,18}|.{0,20}") {
            let number = text.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u64::from_str_radix(&text, 16).ok());
            let expected = number.flatten().filter(|_| text.len() <= 16);
            prop_assert_eq!(padded::<8>(&text).map(u64::from_be_bytes), expected);
        }
    }
}
