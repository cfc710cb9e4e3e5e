//! OpenTelemetry's cases, cases of each database, and properties that hold for any text.

use proptest::prelude::*;
use serde_json::Value;

use super::{
    dialect::Dialect, kept::statement, masked::MAX_TEXT, statement::Statement, summary::MAX_SUMMARY,
};

const DIALECTS: [Dialect; 5] =
    [Dialect::PostgreSql, Dialect::MySql, Dialect::Sqlite, Dialect::SqlServer, Dialect::Unknown];

fn summary(query: &str) -> String {
    statement(query, Dialect::Unknown).summary().to_owned()
}

fn text(query: &str, dialect: Dialect) -> String {
    statement(query, dialect).text().to_owned()
}

#[test]
fn the_cases_of_opentelemetry_pass() {
    let cases = include_str!("../../../tests/fixtures/sql/db-sql-test-cases.json");
    let cases: Vec<Value> = serde_json::from_str(cases).expect("JSON");
    assert_eq!(cases.len(), 24);
    for case in cases {
        let name = &case["name"];
        let query = case["input"]["query"].as_str().expect("a query");
        let system = case["input"]["db.system.name"].as_str().expect("a system");
        // The cases hold for each dialect, not only for their own.
        for dialect in DIALECTS.into_iter().chain([Dialect::of(system)]) {
            let found = statement(query, dialect);
            let texts = case["expected"]["db.query.text"].as_array().expect("texts");
            assert!(texts.iter().any(|text| text == found.text()), "{name}, {dialect:?}: {found:?}");
            assert_eq!(case["expected"]["db.query.summary"], found.summary(), "{name}, {dialect:?}");
        }
    }
}

#[test]
fn a_summary_has_the_operations_and_targets_in_order() {
    for (query, expected) in [
        ("SELECT * FROM songs, artists WHERE songs.artist_id = artists.id", "SELECT songs artists"),
        ("SELECT * FROM \"song list\", `artists`", "SELECT \"song list\" `artists`"),
        ("select a.* from \"public\".\"users\" as a, \"b\".c", "select \"public\".\"users\" \"b\".c"),
        ("SELECT `items`.`id` FROM `items` WHERE (`items`.`id` = ?)", "SELECT `items`"),
        ("SELECT 1", "SELECT"),
        ("SELECT a FROM t1 UNION ALL SELECT b FROM t2", "SELECT t1 SELECT t2"),
        ("SELECT a FROM t1 LEFT JOIN t2 ON f(t1.a, t2.b), t3", "SELECT t1 t2 t3"),
        ("SELECT a, b FROM t ORDER BY a, b", "SELECT t"),
        ("SELECT a FROM (t1 JOIN t2 USING (id)), t3", "SELECT t1 t2 t3"),
        ("SELECT EXTRACT(day FROM created), TRIM(BOTH x FROM y) FROM t", "SELECT t"),
        ("SELECT a IS DISTINCT FROM b FROM t", "SELECT t"),
        ("SELECT * FROM unnest($1::text[], $2::int[]) AS x(a, b), t", "SELECT unnest t"),
        ("SELECT * FROM ONLY t, LATERAL (SELECT 1 FROM u) v", "SELECT t SELECT u"),
        ("SELECT a FROM t FOR UPDATE", "SELECT t"),
        ("SELECT a FROM t WHERE b IN (SELECT c FROM u) AND d", "SELECT t SELECT u"),
        (
            "WITH a AS (SELECT 1 FROM t), b AS MATERIALIZED (DELETE FROM u RETURNING *) SELECT * FROM a",
            "SELECT t DELETE u SELECT a",
        ),
        ("WITH a AS (SELECT 1 FROM t) INSERT INTO u SELECT * FROM a", "SELECT t INSERT u SELECT a"),
        ("INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO UPDATE SET b = 1", "INSERT t"),
        ("INSERT OR REPLACE INTO t DEFAULT VALUES", "INSERT t"),
        ("INSERT INTO t SET a = 1 ON DUPLICATE KEY UPDATE a = 2", "INSERT t"),
        ("REPLACE INTO t VALUES (1)", "REPLACE t"),
        ("SELECT REPLACE(a, 'b', 'c'), (REPLACE(a, 'b', 'c')) FROM t", "SELECT t"),
        ("UPDATE t SET a = 1 FROM u WHERE t.id = u.id", "UPDATE t u"),
        ("UPDATE OR ABORT t SET a = 1", "UPDATE t"),
        ("UPDATE ONLY t SET a = (SELECT b FROM u), c = d", "UPDATE t SELECT u"),
        ("DELETE FROM t USING u WHERE t.id = u.id", "DELETE t u"),
        ("DELETE FROM t WHERE id IN (SELECT id FROM u JOIN v USING (id))", "DELETE t SELECT u v"),
        (
            "MERGE INTO t USING (SELECT * FROM u) s ON a = b WHEN MATCHED THEN UPDATE SET a = 1",
            "MERGE t SELECT u",
        ),
        ("CREATE TABLE IF NOT EXISTS t (a INT, b INT DEFAULT 7)", "CREATE TABLE t"),
        ("CREATE OR REPLACE VIEW v AS SELECT * FROM t", "CREATE VIEW v SELECT t"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a, b)", "CREATE INDEX i"),
        ("ALTER TABLE ONLY t DROP COLUMN a", "ALTER TABLE t"),
        ("DROP TABLE IF EXISTS t, u CASCADE", "DROP TABLE t u"),
        ("DROP MATERIALIZED VIEW v", "DROP VIEW v"),
        ("TRUNCATE t, u", "TRUNCATE t u"),
        ("TRUNCATE TABLE t", "TRUNCATE TABLE t"),
        ("CALL do_it(1, 2)", "CALL do_it"),
        ("COPY t (a, b) FROM STDIN", "COPY t"),
        ("COPY (SELECT a FROM t) TO STDOUT", "COPY SELECT t"),
        ("EXPLAIN (ANALYZE, FORMAT JSON) UPDATE t SET a = 1", "EXPLAIN UPDATE t"),
        ("EXPLAIN ANALYZE VERBOSE SELECT a FROM t", "EXPLAIN ANALYZE SELECT t"),
        ("BEGIN", "BEGIN"),
        ("begin; SELECT a FROM t; COMMIT", "begin SELECT t COMMIT"),
        ("SAVEPOINT _sqlx_savepoint_1", "SAVEPOINT"),
        ("SET LOCAL statement_timeout = '5s'", "SET"),
        ("PRAGMA foreign_keys = ON", "PRAGMA"),
        ("SHOW TABLES FROM shop", "SHOW"),
        ("-- a comment\n/* another */ SELECT a FROM t", "SELECT t"),
        ("SELECT a FROM t WHERE b = 'x; DELETE FROM u'", "SELECT t"),
        ("SELECT 'a' FROM 'hunter2'", "SELECT"),
        ("hunter2 FROM hunter2", ""),
        ("", ""),
        (")))) SELECT a FROM t", "SELECT t"),
    ] {
        assert_eq!(summary(query), expected, "{query}");
    }
}

#[test]
fn a_summary_ends_between_words() {
    let name = "t".repeat(100);
    assert_eq!(summary(&format!("SELECT a FROM {name}, {name}, {name}, u")), format!("SELECT {name} {name}"));
    assert_eq!(summary(&format!("SELECT a FROM {}", "t".repeat(248))).len(), 255);
    assert_eq!(summary(&format!("SELECT a FROM {}", "t".repeat(249))), "SELECT");
}

#[test]
fn strings_end_as_their_database_reads_them() {
    use Dialect::{MySql, PostgreSql, SqlServer, Sqlite, Unknown};
    for (dialect, query, expected) in [
        (PostgreSql, r"SELECT 'C:\', x", "SELECT ?, x"),
        (MySql, r"SELECT 'it\'s', x", "SELECT ?, x"),
        (Unknown, r"SELECT 'it\'s', x", "SELECT ?"),
        (Unknown, r"SELECT 'a\\', x", "SELECT ?, x"),
        (
            PostgreSql,
            r"SELECT E'it\'s', e'', B'01', X'1F', U&'d\0061', N'n', x",
            "SELECT ?, ?, ?, ?, ?, ?, x",
        ),
        (PostgreSql, "SELECT $$it's$$, $a$ $$ $b$ $a$, $1, x", "SELECT ?, ?, $1, x"),
        (PostgreSql, "SELECT $a$ never closed", "SELECT ?"),
        (MySql, "SELECT $$, 'a', x", "SELECT $$, ?, x"),
        (PostgreSql, "SELECT \"it's\", 'a' FROM \"t\"", "SELECT \"it's\", ? FROM \"t\""),
        (MySql, r#"SELECT "it's", "a\"b", `c` FROM t"#, "SELECT ?, ?, `c` FROM t"),
        (
            Sqlite,
            "SELECT \"a\".\"b\" AS \"c\" FROM \"t\" WHERE d = \"secret\"",
            "SELECT \"a\".\"b\" AS \"c\" FROM \"t\" WHERE d = ?",
        ),
        (Unknown, "INSERT INTO \"t\" VALUES (\"secret\")", "INSERT INTO \"t\" VALUES (?)"),
        (
            SqlServer,
            "SELECT [it's] FROM [a]]b], #t WHERE n = N'x'",
            "SELECT [it's] FROM [a]]b], #t WHERE n = ?",
        ),
        (PostgreSql, "SELECT ARRAY['a', 'b'], a[1], a[1:2]", "SELECT ARRAY[?, ?], a[?], a[?:?]"),
        (Unknown, "SELECT q'[it's]', x", "SELECT ?"),
        (PostgreSql, "SELECT 'never closed", "SELECT ?"),
        (MySql, r"SELECT 'never closed\", "SELECT ?"),
    ] {
        assert_eq!(text(query, dialect), expected, "{dialect:?}: {query}");
    }
}

#[test]
fn comments_are_dropped() {
    use Dialect::{MySql, PostgreSql, Sqlite, Unknown};
    for (dialect, query, expected) in [
        (PostgreSql, "SELECT 1 -- it's\n, x", "SELECT ? \n, x"),
        (PostgreSql, "SELECT 1 --it's\n, x", "SELECT ? \n, x"),
        (MySql, "SELECT 5--1, x", "SELECT ?-?, x"),
        (Unknown, "SELECT 1 --it's\n, x", "SELECT ? ?"),
        (PostgreSql, "SELECT /* a /* b */ c */ x", "SELECT  x"),
        (Sqlite, "SELECT /* a /* b */ x", "SELECT  x"),
        (Unknown, "SELECT /* a /* b */ c */ x", "SELECT ?"),
        (MySql, "SELECT 1 # it's\n, x", "SELECT ? \n, x"),
        (Unknown, "SELECT 1 # it's\n, x", "SELECT ? ?"),
        (Unknown, "SELECT data#>>'{a}', x", "SELECT data#>>?, x"),
        (PostgreSql, "SELECT a # b", "SELECT a # b"),
        (PostgreSql, "SELECT x /* never closed", "SELECT x "),
    ] {
        assert_eq!(text(query, dialect), expected, "{dialect:?}: {query}");
    }
}

#[test]
fn numbers_are_values_and_parameters_are_not() {
    for (query, expected) in [
        (
            "WHERE a IN ($1, $2) AND b IN (?, ?1) AND c = :name",
            "WHERE a IN ($1, $2) AND b IN (?, ?1) AND c = :name",
        ),
        ("WHERE a = @p1 AND b = @@x AND c = $name", "WHERE a = @p1 AND b = @@x AND c = $name"),
        (
            "WHERE a = 1::int8 AND b IN (1, -2, +.5e-3, 1_000, 0xFF, 0b1)",
            "WHERE a = ?::int8 AND b IN (?, ?, ?, ?, ?, ?)",
        ),
        ("SET a = a+1, b = (b)-1, c = ?-1", "SET a = a+?, b = (b)-?, c = ?-?"),
        ("LIMIT 10 OFFSET 20", "LIMIT ? OFFSET ?"),
        ("a.b = 1", "a.b = ?"),
        ("a = TRUE AND b IS NULL", "a = TRUE AND b IS NULL"),
        ("name = 'Jürgen' AND größe = 3", "name = ? AND größe = ?"),
    ] {
        for dialect in DIALECTS {
            assert_eq!(text(query, dialect), expected, "{dialect:?}");
        }
    }
}

#[test]
fn a_text_is_cut_between_characters() {
    let long = format!("SELECT a FROM t WHERE {}", "ä = 1 OR ".repeat(400));
    let cut = text(&long, Dialect::Unknown);
    assert!(cut.len() <= MAX_TEXT && cut.len() > MAX_TEXT - 8, "{}", cut.len());
    assert!(cut.ends_with('…'), "{cut}");
    // A long list of values is short without them.
    let values = format!("SELECT a FROM t WHERE b IN ('{}')", "x".repeat(100_000));
    assert_eq!(text(&values, Dialect::Unknown), "SELECT a FROM t WHERE b IN (?…");
}

/// Generates texts that have the pieces at which databases differ.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "'",
        "''",
        "\"",
        "`",
        "[",
        "]",
        "\\",
        "$",
        "$$",
        "$a$",
        "$1",
        "?",
        "?1",
        ":",
        "::",
        "@",
        "#",
        "--",
        "-- ",
        "/*",
        "*/",
        "\n",
        " ",
        "(",
        ")",
        ",",
        ";",
        ".",
        "+",
        "-",
        "1",
        "0x",
        "1e",
        "e",
        "E'",
        "U&'",
        "q'",
        "x'",
        "ä",
        "。",
        "\u{301}",
        "\0",
        "a",
        "SELECT ",
        "FROM ",
        "JOIN ",
        "INSERT ",
        "INTO ",
        "UPDATE ",
        "DELETE ",
        "WITH ",
        "AS ",
        "CREATE ",
        "TABLE ",
        "DROP ",
        "USING ",
        "EXPLAIN ",
        "OR ",
        "DISTINCT ",
        "SET ",
        "VALUES ",
    ]);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

fn has_bounds(query: &str) {
    for dialect in DIALECTS {
        let found = Statement::read(query, false, dialect);
        assert!(found.summary().len() <= MAX_SUMMARY && found.text().len() <= MAX_TEXT);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in hostile(), any in any::<String>()) {
        has_bounds(&text);
        has_bounds(&any);
    }

    /// A value in a string is never visible, whatever it contains.
    #[test]
    fn values_in_strings_never_leave(value in hostile(), begin in "[a-z =,(]{0,8}") {
        let value = format!("hunter2{value}hunter2");
        let standard = value.replace('\'', "''");
        let escaped = value.replace('\\', r"\\").replace('\'', r"\'");
        for (dialect, string) in [
            (Dialect::PostgreSql, format!("'{standard}'")),
            (Dialect::PostgreSql, format!("E'{escaped}'")),
            (Dialect::PostgreSql, format!("$secret${value}$secret$")),
            (Dialect::Sqlite, format!("'{standard}'")),
            (Dialect::SqlServer, format!("'{standard}'")),
            (Dialect::MySql, format!("'{escaped}'")),
            (Dialect::MySql, format!("'{}'", escaped.replace(r"\'", "''"))),
            (Dialect::MySql, format!("\"{}\"", value.replace('\\', r"\\").replace('"', r#"\""#))),
            // An unknown database may be any of them.
            (Dialect::Unknown, format!("'{standard}'")),
            (Dialect::Unknown, format!("'{escaped}'")),
            (Dialect::Unknown, format!("E'{escaped}'")),
            (Dialect::Unknown, format!("$secret${value}$secret$")),
        ] {
            let query = format!("SELECT a FROM t WHERE {begin} b = {string} AND c = {string}");
            let found = Statement::read(&query, false, dialect);
            prop_assert!(!found.text().contains("hunter2"), "{dialect:?}: {query} -> {found:?}");
            prop_assert!(!found.summary().contains("hunter2"), "{dialect:?}: {query} -> {found:?}");
            prop_assert!(found.summary().starts_with("SELECT t"), "{dialect:?}: {query} -> {found:?}");
        }
    }
}
