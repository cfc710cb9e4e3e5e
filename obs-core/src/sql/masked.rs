//! The text of a query without values.

use super::token::{Token, TokenKind};

/// The maximum length of a text in bytes.
pub(super) const MAX_TEXT: usize = 2048;

/// Collects the text. Each literal is a `?`, and comments are dropped. Parameters stay, because
/// they have no values. The words `TRUE`, `FALSE` and `NULL` stay, too.
#[derive(Debug)]
pub(super) struct Masked {
    text: String,
    /// A double-quoted text behind this token is a name.
    is_before_name: bool,
}

impl Masked {
    pub(super) fn new(length: usize) -> Self {
        Self { text: String::with_capacity(length.min(MAX_TEXT)), is_before_name: false }
    }

    /// Adds a token. `is_target` says that it is the name of a table. `next` is the byte behind it.
    pub(super) fn take(&mut self, token: Token<'_>, is_target: bool, next: Option<u8>) {
        let is_before_name = self.is_before_name;
        match token.kind {
            TokenKind::Comment => return,
            TokenKind::Space => {}
            _ => {
                let is_as = token.kind == TokenKind::Word && token.text.eq_ignore_ascii_case("as");
                self.is_before_name = is_as || token.kind == TokenKind::Symbol(b'.');
            }
        }
        let is_value = match token.kind {
            TokenKind::Literal => true,
            TokenKind::DoubleQuoted => !is_target && !is_before_name && next != Some(b'.'),
            _ => false,
        };
        self.text.push_str(if is_value { "?" } else { token.text });
    }

    pub(super) const fn is_full(&self) -> bool {
        self.text.len() > MAX_TEXT
    }

    /// Returns the text. If it is cut, its last character is `…`.
    pub(super) fn finish(mut self, is_cut: bool) -> Box<str> {
        const CUT: &str = "…";
        if is_cut || self.is_full() {
            let mut end = self.text.len().min(MAX_TEXT - CUT.len());
            while !self.text.is_char_boundary(end) {
                end -= 1;
            }
            self.text.truncate(end);
            self.text.push_str(CUT);
        }
        self.text.into_boxed_str()
    }
}
