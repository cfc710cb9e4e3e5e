//! The tokens of a query.

use super::dialect::{Backslash, Dialect};

/// A piece of a query. The pieces follow each other without a gap.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    /// The position of its first byte.
    pub(super) start: usize,
    pub(super) text: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Space,
    Comment,
    /// A keyword, or a name without quotes.
    Word,
    /// A name in quotes.
    Quoted,
    /// A text in double quotes that may be a name or a string.
    DoubleQuoted,
    /// A number or a string.
    Literal,
    /// A placeholder, such as `$1`, `?1`, `:name` and `@name`.
    Parameter,
    /// Any other character of ASCII.
    Symbol(u8),
}

/// Reads the tokens of a query.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
    last: Option<TokenKind>,
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect, last: None }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Returns the first position from `at` on whose byte is not `wanted`.
    fn skip(&self, at: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len())
    }

    /// The end of the text: all that follows is one literal.
    const fn rest(&self) -> (TokenKind, usize) {
        (TokenKind::Literal, self.text.len())
    }

    /// Returns the kind and the end of the token at `at`.
    fn token(&self, at: usize, byte: u8) -> (TokenKind, usize) {
        let next = self.byte(at + 1);
        match byte {
            b' ' | b'\t'..=b'\r' => {
                (TokenKind::Space, self.skip(at, |byte| matches!(byte, b' ' | b'\t'..=b'\r')))
            }
            b'\'' => self.string(at, self.dialect.backslash()),
            b'"' => self.double_quoted(at),
            b'`' => self.quoted(at, b'`', Backslash::IsText, TokenKind::Quoted),
            b'[' if matches!(self.dialect, Dialect::SqlServer | Dialect::Sqlite) => {
                self.quoted(at, b']', Backslash::IsText, TokenKind::Quoted)
            }
            b'-' if next == Some(b'-') => self.dashes(at),
            b'/' if next == Some(b'*') => self.block_comment(at),
            b'#' => self.hash(at),
            b'$' => self.dollar(at),
            b'?' => (TokenKind::Parameter, self.skip(at + 1, |byte| byte.is_ascii_digit())),
            b'@' if next.is_some_and(|next| is_word(next) || next == b'@') => {
                (TokenKind::Parameter, self.skip(at + 1, |byte| is_word(byte) || byte == b'@'))
            }
            // Two colons are a cast. A number after a colon may be a bound of a slice.
            b':' if next.is_some_and(is_word_start) && self.last != Some(TokenKind::Symbol(b':')) => {
                (TokenKind::Parameter, self.skip(at + 1, is_word))
            }
            b'0'..=b'9' => self.number(at),
            b'.' if next.is_some_and(|next| next.is_ascii_digit()) && !self.is_after_name() => {
                self.number(at)
            }
            b'+' | b'-' if self.is_sign(at) => self.number(at + 1),
            _ if is_word_start(byte) => self.word(at),
            _ => (TokenKind::Symbol(byte), at + 1),
        }
    }

    /// A name, a keyword, or a string with a prefix, such as `E'..'`.
    fn word(&self, at: usize) -> (TokenKind, usize) {
        let end = self.skip(at, |byte| is_word(byte) || byte == b'$');
        let word = self.text.get(at..end).unwrap_or_default();
        match (word, self.byte(end)) {
            ("E" | "e", Some(b'\'')) => self.string(end, Backslash::Escapes),
            ("B" | "b" | "X" | "x" | "N" | "n", Some(b'\'')) => self.string(end, self.dialect.backslash()),
            ("U" | "u", Some(b'&')) if self.byte(end + 1) == Some(b'\'') => {
                self.string(end + 1, self.dialect.backslash())
            }
            // Oracle ends such a string with a delimiter of the author's choice.
            ("Q" | "q" | "NQ" | "nq" | "Nq" | "nQ", Some(b'\'')) if self.dialect == Dialect::Unknown => {
                self.rest()
            }
            _ => (TokenKind::Word, end),
        }
    }

    /// A number in any notation. What is directly behind it belongs to it.
    fn number(&self, at: usize) -> (TokenKind, usize) {
        let mut end = self.skip(at, is_number);
        let has_radix = self.byte(at) == Some(b'0') && matches!(self.byte(at + 1), Some(b'x' | b'X'));
        let is_exponent = matches!(end.checked_sub(1).and_then(|last| self.byte(last)), Some(b'e' | b'E'));
        if is_exponent
            && !has_radix
            && matches!(self.byte(end), Some(b'+' | b'-'))
            && self.byte(end + 1).is_some_and(|byte| byte.is_ascii_digit())
        {
            end = self.skip(end + 1, is_number);
        }
        (TokenKind::Literal, end)
    }

    /// True if the `+` or `-` at `at` is the sign of a number.
    fn is_sign(&self, at: usize) -> bool {
        let next = self.byte(at + 1);
        let decimals = next == Some(b'.') && self.byte(at + 2).is_some_and(|byte| byte.is_ascii_digit());
        (decimals || next.is_some_and(|byte| byte.is_ascii_digit()))
            && !self.is_after_name()
            && !matches!(self.last, Some(TokenKind::Symbol(b')' | b']') | TokenKind::Parameter))
    }

    const fn is_after_name(&self) -> bool {
        matches!(self.last, Some(TokenKind::Word | TokenKind::Quoted | TokenKind::DoubleQuoted))
    }

    /// A string in single quotes, whose first quote is at `at`.
    fn string(&self, at: usize, backslash: Backslash) -> (TokenKind, usize) {
        self.quoted(at, b'\'', backslash, TokenKind::Literal)
    }

    fn double_quoted(&self, at: usize) -> (TokenKind, usize) {
        let (backslash, kind) = match self.dialect {
            Dialect::MySql => (Backslash::Escapes, TokenKind::Literal),
            Dialect::Unknown => (Backslash::Unclear, TokenKind::DoubleQuoted),
            // SQLite takes a name that it does not know for a string.
            Dialect::Sqlite => (Backslash::IsText, TokenKind::DoubleQuoted),
            Dialect::PostgreSql | Dialect::SqlServer => (Backslash::IsText, TokenKind::Quoted),
        };
        self.quoted(at, b'"', backslash, kind)
    }

    /// A text up to the next `quote` behind `at`. A doubled quote belongs to the text.
    fn quoted(&self, at: usize, quote: u8, backslash: Backslash, kind: TokenKind) -> (TokenKind, usize) {
        let mut end = at + 1;
        while let Some(byte) = self.byte(end) {
            if byte == quote {
                if self.byte(end + 1) != Some(quote) {
                    return (kind, end + 1);
                }
                end += 2;
            } else if byte == b'\\' && backslash != Backslash::IsText {
                if backslash == Backslash::Unclear && self.byte(end + 1) == Some(quote) {
                    return self.rest();
                }
                end += 2;
            } else {
                end += 1;
            }
        }
        self.rest()
    }

    /// A comment from two dashes to the end of the line.
    fn dashes(&self, at: usize) -> (TokenKind, usize) {
        let is_spaced =
            self.byte(at + 2).is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control());
        match self.dialect {
            _ if is_spaced => (TokenKind::Comment, self.line_end(at)),
            // In MySQL these are two operators.
            Dialect::MySql => (TokenKind::Symbol(b'-'), at + 1),
            Dialect::Unknown if self.line_has_quote(at) => self.rest(),
            _ => (TokenKind::Comment, self.line_end(at)),
        }
    }

    /// A comment of MySQL, an operator of PostgreSQL or a name of SQL Server.
    fn hash(&self, at: usize) -> (TokenKind, usize) {
        match self.dialect {
            Dialect::MySql => (TokenKind::Comment, self.line_end(at)),
            Dialect::SqlServer => (TokenKind::Word, self.skip(at, |byte| is_word(byte) || byte == b'#')),
            Dialect::Unknown if self.byte(at + 1) != Some(b'>') => {
                if self.line_has_quote(at) {
                    self.rest()
                } else {
                    (TokenKind::Comment, self.line_end(at))
                }
            }
            _ => (TokenKind::Symbol(b'#'), at + 1),
        }
    }

    /// A comment that `*/` ends. In some databases it contains other comments.
    fn block_comment(&self, at: usize) -> (TokenKind, usize) {
        let nests = matches!(self.dialect, Dialect::PostgreSql | Dialect::SqlServer);
        let mut open = 1_usize;
        let mut end = at + 2;
        while let Some(byte) = self.byte(end) {
            match (byte, self.byte(end + 1)) {
                (b'*', Some(b'/')) => {
                    open -= 1;
                    end += 2;
                    if open == 0 {
                        return (TokenKind::Comment, end);
                    }
                }
                (b'/', Some(b'*')) if nests => {
                    open += 1;
                    end += 2;
                }
                (b'/', Some(b'*')) if self.dialect == Dialect::Unknown => return self.rest(),
                _ => end += 1,
            }
        }
        (TokenKind::Comment, end)
    }

    /// A placeholder, or a string of PostgreSQL in dollar quotes: `$tag$..$tag$`.
    fn dollar(&self, at: usize) -> (TokenKind, usize) {
        let end = self.skip(at + 1, is_word);
        let quotes = matches!(self.dialect, Dialect::PostgreSql | Dialect::Unknown);
        let has_number = self.byte(at + 1).is_some_and(|byte| byte.is_ascii_digit());
        if quotes && !has_number && self.byte(end) == Some(b'$') {
            let tag = self.text.get(at..=end).unwrap_or_default();
            let inner = self.text.get(end + 1..).unwrap_or_default();
            return match inner.find(tag) {
                Some(length) => (TokenKind::Literal, end + 1 + length + tag.len()),
                None => self.rest(),
            };
        }
        if end == at + 1 { (TokenKind::Symbol(b'$'), end) } else { (TokenKind::Parameter, end) }
    }

    fn line_end(&self, at: usize) -> usize {
        self.skip(at, |byte| byte != b'\n')
    }

    fn line_has_quote(&self, at: usize) -> bool {
        let line = self.text.as_bytes().get(at..self.line_end(at)).unwrap_or_default();
        line.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'`' | b'$'))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let start = self.at;
        let (kind, end) = self.token(start, self.byte(start)?);
        // An escaped quote may be missing at the end.
        let end = end.min(self.text.len());
        self.at = end;
        self.last = Some(kind);
        Some(Token { kind, start, text: self.text.get(start..end).unwrap_or_default() })
    }
}

const fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

const fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit()
}

const fn is_number(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')
}
