//! Headers that are lists, read from the right end, where the nearest proxy adds its value.

use crate::http::headers::HeaderLookup;

/// The maximum number of bytes that are read of a header.
const MAX_BYTES: usize = 4 * 1024;

/// All values of a header, joined by commas (RFC 9110 §5.3), or only the right end of a long
/// header.
pub(super) struct List {
    text: String,
    /// `true` if the header was longer.
    cut: bool,
}

impl List {
    pub(super) fn read(headers: &(impl HeaderLookup + ?Sized), name: &str) -> Self {
        let mut bytes = Vec::new();
        let mut cut = false;
        headers.each(name, &mut |value| {
            if !bytes.is_empty() {
                bytes.push(b',');
            }
            let end = value.get(value.len().saturating_sub(MAX_BYTES)..).unwrap_or(value);
            bytes.extend_from_slice(end);
            let over = bytes.len().saturating_sub(MAX_BYTES);
            cut |= over > 0 || end.len() < value.len();
            drop(bytes.drain(..over));
        });
        // Invalid UTF-8 makes only its own element invalid.
        let mut text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        if cut {
            // The beginning of the first element is lost.
            text = text.split_once(',').map(|(_, whole)| whole.to_owned()).unwrap_or_default();
        }
        Self { text, cut }
    }

    /// Returns the values, the last one first. None of them may be quoted.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        self.text.rsplit(',').map(trim).filter(|value| !value.is_empty())
    }

    /// Returns the elements, the last one first. Quoted strings may contain commas.
    pub(super) fn elements(&self) -> impl Iterator<Item = &str> {
        FromRight { rest: Some(&self.text), separator: b',' }
    }

    /// Returns `true` if both lists are complete and have the same number of values.
    pub(super) fn is_as_long_as(&self, other: &Self) -> bool {
        !self.cut && !other.cut && self.values().count() == other.values().count()
    }
}

/// Returns the parts of `element`, the last one first, without empty ones.
pub(super) fn parts(element: &str) -> impl Iterator<Item = &str> {
    FromRight { rest: Some(element), separator: b';' }
}

/// Removes optional white space at both ends (RFC 9110 §5.6.3).
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// An iterator over parts, from right to left, that ignores separators in quoted strings. Quotes
/// are paired from the right. So a quote that a client left open does not hide what proxies wrote
/// after it.
struct FromRight<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for FromRight<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let text = self.rest?;
            let part = match last_outside_quotes(text, self.separator) {
                Some(at) => {
                    self.rest = text.get(..at);
                    text.get(at.saturating_add(1)..).unwrap_or_default()
                }
                None => {
                    self.rest = None;
                    text
                }
            };
            let part = trim(part);
            if !part.is_empty() {
                return Some(part);
            }
        }
    }
}

fn last_outside_quotes(text: &str, separator: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate().rev() {
        match *byte {
            // A quote after an odd number of backslashes is part of the string (RFC 9110 §5.6.4).
            b'"' if quoted => {
                let before = bytes.iter().take(at).rev();
                quoted = before.take_while(|byte| **byte == b'\\').count() % 2 == 1;
            }
            b'"' => quoted = true,
            byte if byte == separator && !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::forwarded::tests::Lines;

    fn list(values: &[&str]) -> List {
        let lines: Vec<_> = values.iter().map(|value| ("a", value.as_bytes())).collect();
        List::read(&Lines(&lines), "a")
    }

    #[test]
    fn headers_are_joined_in_order_and_empty_values_are_skipped() {
        let list = list(&["1 ,\t2", "", " , 3,"]);
        assert_eq!(list.values().collect::<Vec<_>>(), ["3", "2", "1"]);
        assert_eq!(list.elements().collect::<Vec<_>>(), ["3", "2", "1"]);
        assert_eq!(List::read(&(), "a").values().next(), None);
    }

    #[test]
    fn quoted_separators_do_not_separate() {
        for (text, elements) in [
            (r#"a="1,2", b"#, &["b", r#"a="1,2""#][..]),
            (r#"a="1\",2", b"#, &["b", r#"a="1\",2""#]),
            (r#"a="1\\",2"#, &["2", r#"a="1\\""#]),
            (r#"a="1\\\",2",3"#, &["3", r#"a="1\\\",2""#]),
            (r#"a=",",b=",""#, &[r#"b=",""#, r#"a=",""#]),
            // A quote was left open: nothing after it is lost.
            (r#"a="1, b"#, &["b", r#"a="1"#]),
            (r#"a", b"#, &["b", r#"a""#]),
            ("\", b", &["b", "\""]),
        ] {
            assert_eq!(list(&[text]).elements().collect::<Vec<_>>(), elements, "{text}");
        }
        assert_eq!(parts(r#"a="1;2"; b ;"#).collect::<Vec<_>>(), ["b", r#"a="1;2""#]);
    }

    #[test]
    fn a_long_header_keeps_its_right_end() {
        let long = format!("{},whole,last", "x".repeat(MAX_BYTES));
        for list in [list(&[&long]), list(&["first", &long]), list(&[&"x,".repeat(MAX_BYTES), "whole,last"])]
        {
            assert_eq!(list.values().take(2).collect::<Vec<_>>(), ["last", "whole"]);
            assert!(list.cut && list.text.len() <= MAX_BYTES);
            assert!(!list.is_as_long_as(&list), "its length is unknown");
        }
        let exactly = "x".repeat(MAX_BYTES);
        assert_eq!(list(&[&exactly]).values().collect::<Vec<_>>(), [exactly.as_str()]);
        assert_eq!(list(&["x", &exactly]).values().count(), 0, "the element is incomplete");
        assert_eq!(list(&[&"x".repeat(MAX_BYTES + 1)]).values().count(), 0);
    }

    proptest! {
        #[test]
        fn well_formed_elements_are_split_as_written(
            elements in prop::collection::vec(r#"[a-z]{1,5}="([a-z,;]|\\["\\,a-z]){0,9}""#, 0..9),
        ) {
            let text = elements.join(" , ");
            let split: Vec<_> = list(&[&text]).elements().map(str::to_owned).collect();
            prop_assert_eq!(split, elements.into_iter().rev().collect::<Vec<_>>());
        }

        #[test]
        fn elements_on_the_left_do_not_change_those_on_the_right(left in r#"[",;\\a ]{0,30}"#) {
            let list = list(&[&left, r#"a="1,2""#, "b"]);
            prop_assert_eq!(list.elements().take(2).collect::<Vec<_>>(), ["b", r#"a="1,2""#]);
        }
    }
}
