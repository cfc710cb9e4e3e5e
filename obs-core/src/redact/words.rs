//! The words of a name.

/// Returns `true` if the byte is part of a word. Non-ASCII bytes are, because no known name
/// contains them.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// An iterator over the words of a name.
pub(super) struct Words<'a> {
    name: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn of(name: &'a str) -> Self {
        Self { name: name.as_bytes(), at: 0 }
    }

    /// Returns `true` if a new word starts at `at`, directly after another word.
    fn starts_word(&self, at: usize) -> bool {
        let byte = |at: usize| self.name.get(at).copied().unwrap_or_default();
        let (before, here) = (byte(at.saturating_sub(1)), byte(at));
        // Most letters are in lower case.
        if here.is_ascii_lowercase() && !before.is_ascii_digit() {
            return false;
        }
        let next = byte(at.saturating_add(1));
        match (before, here) {
            // `apiKey`, `oauth2Token`, `oauth2token`
            (b'a'..=b'z', b'A'..=b'Z') | (b'0'..=b'9', b'a'..=b'z' | b'A'..=b'Z') => true,
            // `JWTToken`, but not `JWTs`
            (b'A'..=b'Z', b'A'..=b'Z') => {
                let plural = next == b's' && !byte(at.saturating_add(2)).is_ascii_lowercase();
                next.is_ascii_lowercase() && !plural
            }
            _ => false,
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.name.get(self.at..)?;
        let start = self.at.saturating_add(rest.iter().position(|b| is_word(*b))?);
        let mut end = start.saturating_add(1);
        while self.name.get(end).is_some_and(|b| is_word(*b)) && !self.starts_word(end) {
            end = end.saturating_add(1);
        }
        self.at = end;
        self.name.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_into_words() {
        for (name, expected) in [
            ("", ""),
            ("--", ""),
            ("api_key", "api key"),
            ("X-Api-Key", "X Api Key"),
            ("apiKey", "api Key"),
            ("APIKey", "API Key"),
            ("APIKEY", "APIKEY"),
            ("JWTs", "JWTs"),
            ("userIDs.list", "user IDs list"),
            ("user[password]", "user password"),
            ("oauth2Token", "oauth2 Token"),
            ("oauth2token", "oauth2 token"),
            ("größe.token", "größe token"),
        ] {
            let words: Vec<_> = Words::of(name).map(String::from_utf8_lossy).collect();
            assert_eq!(words.join(" "), expected);
        }
    }
}
