//! The summary of a query by OpenTelemetry's rules: its operations and their targets, in order.

use std::ops::Range;

use super::{
    keywords::{
        LONGEST, ends_tables, is_before_object, is_before_target, is_object, is_operation, lowercase,
    },
    parentheses::Parentheses,
    token::{Token, TokenKind},
};

/// The maximum length of a summary in bytes.
pub(super) const MAX_SUMMARY: usize = 255;

/// Collects the summary from the tokens of a query.
///
/// A small machine, not a parser: keywords that begin an operation are written, and so are the
/// names behind keywords that a table follows. All other words are ignored.
#[derive(Debug)]
pub(super) struct Summary<'a> {
    query: &'a str,
    text: String,
    is_full: bool,
    /// The operation that was written last.
    operation: SqlOperation,
    /// The kind of the next word.
    expected: Expected,
    /// A name that may go on with a point.
    name: Option<TargetName>,
    before: Before,
    parentheses: Parentheses,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SqlOperation {
    None,
    Select,
    /// `INTO` has the target.
    Insert,
    Update,
    /// `FROM` and `USING` have targets.
    Delete,
    /// `INTO` and `USING` have targets.
    Merge,
    /// `DROP` and `TRUNCATE` have a list of targets.
    Drop,
    Explain,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// The beginning of a statement.
    Start,
    /// The beginning of a query in parentheses. The flag is true if it may also change data.
    Inner(bool),
    Nothing,
    /// The name of a table or another object.
    Target,
    /// The table behind `USING`. A list of columns may be there instead.
    TargetNoList,
    /// The kind of the object that a statement creates, changes or drops.
    Object,
}

/// The word before the current one, if it changes the meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    As,
    Distinct,
    Or,
    Close,
    Other,
}

/// A name in the query: its bytes, and true if a point follows.
#[derive(Debug)]
struct TargetName {
    bytes: Range<usize>,
    goes_on: bool,
}

impl<'a> Summary<'a> {
    pub(super) fn new(query: &'a str) -> Self {
        Self {
            query,
            text: String::new(),
            is_full: false,
            operation: SqlOperation::None,
            expected: Expected::Start,
            name: None,
            before: Before::Other,
            parentheses: Parentheses::default(),
        }
    }

    /// Takes the next token. Returns true if it is the name of a target, or a part of it.
    pub(super) fn take(&mut self, token: Token<'_>) -> bool {
        if self.is_full {
            return false;
        }
        if self.extend_name(token) {
            return token.kind != TokenKind::Symbol(b'.');
        }
        self.write_name();
        let before = self.before;
        match token.kind {
            TokenKind::Space | TokenKind::Comment => return false,
            TokenKind::Word => {
                self.before = Before::Other;
                return self.word(token, before);
            }
            TokenKind::Quoted | TokenKind::DoubleQuoted => {
                self.before = Before::Other;
                return self.target(token);
            }
            TokenKind::Literal | TokenKind::Parameter => self.expect_nothing(),
            TokenKind::Symbol(symbol) => {
                self.symbol(symbol, before);
                self.before = if symbol == b')' { Before::Close } else { Before::Other };
                return false;
            }
        }
        self.before = Before::Other;
        false
    }

    pub(super) const fn is_full(&self) -> bool {
        self.is_full
    }

    pub(super) fn finish(mut self) -> Box<str> {
        self.write_name();
        self.text.into_boxed_str()
    }

    fn symbol(&mut self, symbol: u8, before: Before) {
        match symbol {
            b';' => {
                self.parentheses = Parentheses::default();
                self.operation = SqlOperation::None;
                self.expected = Expected::Start;
            }
            b'(' => {
                let is_group = self.expected == Expected::Target;
                self.parentheses.open();
                self.parentheses.set_tables(is_group);
                if !is_group {
                    self.expected = Expected::Inner(before == Before::As);
                }
            }
            b')' => {
                self.parentheses.close();
                let is_explained = self.operation == SqlOperation::Explain && self.parentheses.depth == 0;
                self.expected = if is_explained { Expected::Start } else { Expected::Nothing };
            }
            b',' if self.parentheses.has_tables() => self.expected = Expected::Target,
            // `DEFINER = name` is before the kind of the object.
            _ if self.expected == Expected::Object => {}
            _ => self.expected = Expected::Nothing,
        }
    }

    const fn expect_nothing(&mut self) {
        if !matches!(self.expected, Expected::Object) {
            self.expected = Expected::Nothing;
        }
    }

    fn word(&mut self, token: Token<'_>, before: Before) -> bool {
        let mut room = [0; LONGEST];
        let word = lowercase(token.text, &mut room);
        match self.expected {
            Expected::Target | Expected::TargetNoList => {
                if before == Before::Or || word == "or" {
                    self.before = if word == "or" { Before::Or } else { Before::Other };
                    return false;
                }
                if is_before_target(word) {
                    return false;
                }
                if !matches!(word, "select" | "with" | "values") {
                    return self.target(token);
                }
            }
            Expected::Object => {
                if is_object(word) {
                    self.write(token.text);
                    self.expected = Expected::Target;
                    return false;
                }
                // The word `TABLE` is optional in `TRUNCATE TABLE`.
                if self.operation == SqlOperation::Drop && !is_before_object(word) {
                    self.expected = Expected::Target;
                    return self.target(token);
                }
            }
            Expected::Start | Expected::Inner(_) | Expected::Nothing => {}
        }
        self.keyword(token.text, word, before);
        false
    }

    fn keyword(&mut self, text: &str, word: &str, before: Before) {
        let is_main = before == Before::Close && self.parentheses.with & self.parentheses.bit() != 0;
        let may_change = is_main || matches!(self.expected, Expected::Start | Expected::Inner(true));
        let is_start = self.expected == Expected::Start;
        let begins = !matches!(self.expected, Expected::Nothing | Expected::Object);
        // Words between `EXPLAIN` and its statement are options.
        let is_option = is_start && self.operation == SqlOperation::Explain;
        if !is_option && self.expected != Expected::Object {
            self.expected = Expected::Nothing;
        }
        match word {
            "select" => {
                self.begin(text, SqlOperation::Select, Expected::Nothing);
                self.parentheses.begin_query();
            }
            "with" if begins => {
                self.parentheses.query |= self.parentheses.bit();
                self.parentheses.with |= self.parentheses.bit();
            }
            "insert" | "replace" if may_change => self.begin(text, SqlOperation::Insert, Expected::Nothing),
            "update" if may_change => self.begin(text, SqlOperation::Update, Expected::Target),
            "delete" if may_change => self.begin(text, SqlOperation::Delete, Expected::Nothing),
            "merge" if may_change => self.begin(text, SqlOperation::Merge, Expected::Nothing),
            "create" | "alter" if is_start => self.begin(text, SqlOperation::Other, Expected::Object),
            "drop" | "truncate" if is_start => {
                self.begin(text, SqlOperation::Drop, Expected::Object);
                self.parentheses.set_tables(true);
            }
            "call" | "exec" | "execute" | "copy" if is_start => {
                self.begin(text, SqlOperation::Other, Expected::Target);
            }
            "explain" if is_start => self.begin(text, SqlOperation::Explain, Expected::Start),
            _ if is_start && is_operation(word) => {
                if is_option {
                    self.write(text)
                } else {
                    self.begin(text, SqlOperation::Other, Expected::Nothing)
                }
            }
            "from" if self.has_from() && before != Before::Distinct => self.begin_tables(),
            "join" | "straight_join" if self.parentheses.takes_tables() => self.begin_tables(),
            "into" if matches!(self.operation, SqlOperation::Insert | SqlOperation::Merge) => {
                self.expected = Expected::Target;
            }
            "using" if matches!(self.operation, SqlOperation::Delete | SqlOperation::Merge) => {
                self.expected = Expected::TargetNoList;
            }
            "as" => self.before = Before::As,
            "materialized" | "not" if before == Before::As => self.before = Before::As,
            "distinct" => self.before = Before::Distinct,
            _ if ends_tables(word) => self.parentheses.set_tables(false),
            _ => {}
        }
    }

    fn begin(&mut self, text: &str, operation: SqlOperation, expected: Expected) {
        self.write(text);
        self.operation = operation;
        self.expected = expected;
        self.parentheses.with &= !self.parentheses.bit();
        if operation != SqlOperation::Drop {
            self.parentheses.set_tables(false);
        }
        if matches!(
            operation,
            SqlOperation::Insert | SqlOperation::Update | SqlOperation::Delete | SqlOperation::Merge
        ) {
            self.parentheses.query |= self.parentheses.bit();
        }
    }

    const fn begin_tables(&mut self) {
        self.parentheses.set_tables(true);
        self.expected = Expected::Target;
    }

    /// True if the tables of the operation are behind `FROM`.
    const fn has_from(&self) -> bool {
        matches!(self.operation, SqlOperation::Select | SqlOperation::Update | SqlOperation::Delete)
            && self.parentheses.takes_tables()
    }

    /// Begins a name if a target is expected.
    fn target(&mut self, token: Token<'_>) -> bool {
        let is_target = matches!(self.expected, Expected::Target | Expected::TargetNoList);
        if self.expected != Expected::Object {
            self.expected = Expected::Nothing;
        }
        if is_target {
            self.name =
                Some(TargetName { bytes: token.start..token.start + token.text.len(), goes_on: false });
        }
        is_target
    }

    /// Adds a point, or what follows it, to the name before it.
    fn extend_name(&mut self, token: Token<'_>) -> bool {
        let Some(name) = self.name.as_mut().filter(|name| name.bytes.end == token.start) else {
            return false;
        };
        name.goes_on = match token.kind {
            TokenKind::Symbol(b'.') => true,
            TokenKind::Word | TokenKind::Quoted | TokenKind::DoubleQuoted if name.goes_on => false,
            _ => return false,
        };
        name.bytes.end += token.text.len();
        true
    }

    fn write_name(&mut self) {
        if let Some(name) = self.name.take() {
            let text = self.query.get(name.bytes).unwrap_or_default();
            self.write(text.trim_end_matches('.'));
        }
    }

    /// Writes a word. The first one that has no room ends the summary.
    fn write(&mut self, word: &str) {
        let space = usize::from(!self.text.is_empty());
        if self.text.len() + space + word.len() > MAX_SUMMARY {
            self.is_full = true;
        }
        if !self.is_full {
            self.text.push_str(if space == 1 { " " } else { "" });
            self.text.push_str(word);
        }
    }
}
