//! Errors whose types are private or belong to crates that this crate does not depend on. Their
//! texts are constant.

use std::fmt::{self, Display, Write};

use super::Facts;

/// The longest text that is compared.
const LONGEST: usize = 48;

pub(super) fn read(error: &dyn Display, facts: &mut Facts) {
    let mut text = TextStart::default();
    // A text that does not fit is cut, which is an error for the formatter only.
    let _ = write!(text, "{error}");
    let text = text.as_str();
    // hyper-util's connector; an own resolver of reqwest; SOCKS of reqwest; the standard library
    const DNS: [&str; 4] = [
        "dns error",
        "error resolving DNS",
        "error resolving for socks proxy",
        "failed to lookup address information",
    ];
    // tower's timeout, tokio's timeout, tonic's timeout
    const TIMEOUT: [&str; 3] = ["request timed out", "deadline has elapsed", "Timeout expired"];
    // hyper-util's connector, its tunnel through a proxy and its SOCKS; SOCKS of reqwest
    const TRANSPORT: [&str; 4] = ["tcp ", "tunnel error", "SOCKS error", "error connecting to socks proxy"];
    let starts = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    facts.dns |= starts(&DNS);
    facts.timeout |= starts(&TIMEOUT);
    facts.transport |= starts(&TRANSPORT);
}

/// The first bytes of a text, without an allocation.
struct TextStart {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Default for TextStart {
    fn default() -> Self {
        Self { bytes: [0; LONGEST], len: 0 }
    }
}

impl TextStart {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for TextStart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut fits = text.len().min(LONGEST - self.len);
        while !text.is_char_boundary(fits) {
            fits -= 1;
        }
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
