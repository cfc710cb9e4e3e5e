//! The keywords of SQL that a summary needs.

/// The length of the longest keyword.
pub(super) const LONGEST: usize = 16;

/// Returns a word in lower case, or nothing if it is longer than each keyword.
pub(super) fn lowercase<'a>(word: &str, room: &'a mut [u8; LONGEST]) -> &'a str {
    let Some(room) = room.get_mut(..word.len()) else { return "" };
    room.copy_from_slice(word.as_bytes());
    room.make_ascii_lowercase();
    std::str::from_utf8(room).unwrap_or_default()
}

/// True for words between a keyword and its target.
pub(super) fn is_before_target(word: &str) -> bool {
    matches!(
        word,
        "only" | "lateral" | "if" | "not" | "exists" | "concurrently" | "low_priority" | "ignore" | "quick"
    )
}

/// True for words between `DROP` and the kind of the object.
pub(super) fn is_before_object(word: &str) -> bool {
    matches!(word, "foreign" | "if" | "materialized" | "only" | "temporary" | "text")
}

/// True for the kinds of objects that a database has.
pub(super) fn is_object(word: &str) -> bool {
    matches!(
        word,
        "aggregate"
            | "cast"
            | "collation"
            | "database"
            | "domain"
            | "event"
            | "extension"
            | "function"
            | "index"
            | "policy"
            | "procedure"
            | "publication"
            | "role"
            | "rule"
            | "schema"
            | "sequence"
            | "server"
            | "statistics"
            | "subscription"
            | "table"
            | "tablespace"
            | "trigger"
            | "type"
            | "user"
            | "view"
    )
}

/// True for statements that are known by their first word only.
pub(super) fn is_operation(word: &str) -> bool {
    matches!(
        word,
        "abort"
            | "analyze"
            | "attach"
            | "begin"
            | "checkpoint"
            | "close"
            | "cluster"
            | "comment"
            | "commit"
            | "deallocate"
            | "declare"
            | "desc"
            | "describe"
            | "detach"
            | "discard"
            | "do"
            | "fetch"
            | "flush"
            | "grant"
            | "handler"
            | "kill"
            | "listen"
            | "load"
            | "lock"
            | "move"
            | "notify"
            | "optimize"
            | "pragma"
            | "prepare"
            | "reassign"
            | "refresh"
            | "reindex"
            | "release"
            | "rename"
            | "repair"
            | "reset"
            | "revoke"
            | "rollback"
            | "savepoint"
            | "set"
            | "show"
            | "start"
            | "unlisten"
            | "unlock"
            | "use"
            | "vacuum"
            | "values"
    )
}

/// True for the words behind a list of tables.
pub(super) fn ends_tables(word: &str) -> bool {
    matches!(
        word,
        "where"
            | "group"
            | "having"
            | "order"
            | "limit"
            | "offset"
            | "fetch"
            | "for"
            | "window"
            | "qualify"
            | "union"
            | "intersect"
            | "except"
            | "returning"
            | "set"
            | "values"
    )
}
