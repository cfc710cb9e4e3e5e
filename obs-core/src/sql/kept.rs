//! The statements that a thread has read already.

use std::{cell::RefCell, hash::BuildHasher as _, sync::Arc};

use rustc_hash::FxBuildHasher;

use super::{
    dialect::Dialect,
    statement::{Statement, read_part},
};

/// The number of places for statements of a thread: a power of two.
const PLACES: usize = 256;

/// The maximum number of bytes of all statements of a thread.
const MAX_BYTES: usize = 512 * 1024;

thread_local! {
    static KEPT: RefCell<ReadQueries> = const { RefCell::new(ReadQueries { places: Vec::new(), bytes: 0 }) };
}

/// Returns the summary and the text of a query. The thread keeps them: a query that it has read
/// before costs a look-up.
pub(crate) fn statement(query: &str, dialect: Dialect) -> Arc<Statement> {
    let (query, is_cut) = read_part(query);
    let kept =
        KEPT.try_with(|kept| kept.try_borrow_mut().ok().map(|mut kept| kept.get(query, is_cut, dialect)));
    // The thread ends.
    kept.ok().flatten().unwrap_or_else(|| Arc::new(Statement::read(query, is_cut, dialect)))
}

/// Statements by their queries. The place of a query follows from its hash. A new query replaces
/// the one that has the same place, so queries that have values in them cannot fill it for ever.
struct ReadQueries {
    places: Vec<Option<ReadQuery>>,
    bytes: usize,
}

struct ReadQuery {
    query: Box<str>,
    is_cut: bool,
    dialect: Dialect,
    statement: Arc<Statement>,
}

impl ReadQuery {
    fn bytes(&self) -> usize {
        self.query.len() + self.statement.summary().len() + self.statement.text().len()
    }
}

impl ReadQueries {
    fn get(&mut self, query: &str, is_cut: bool, dialect: Dialect) -> Arc<Statement> {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let at = FxBuildHasher.hash_one((query, dialect)) as usize & (PLACES - 1);
        if let Some(Some(place)) = self.places.get(at)
            && *place.query == *query
            && place.is_cut == is_cut
            && place.dialect == dialect
        {
            return Arc::clone(&place.statement);
        }
        let statement = Arc::new(Statement::read(query, is_cut, dialect));
        let place = ReadQuery { query: query.into(), is_cut, dialect, statement: Arc::clone(&statement) };
        self.put(at, place);
        statement
    }

    fn put(&mut self, at: usize, place: ReadQuery) {
        let bytes = place.bytes();
        if self.bytes + bytes > MAX_BYTES {
            self.places.iter_mut().for_each(|place| *place = None);
            self.bytes = 0;
        }
        if let Some(old) = self.places.get_mut(at) {
            self.bytes -= old.as_ref().map_or(0, ReadQuery::bytes);
            self.bytes += bytes;
            *old = Some(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_once() {
        let query = "SELECT name FROM items WHERE id = 1";
        let first = statement(query, Dialect::Sqlite);
        assert!(Arc::ptr_eq(&first, &statement(&format!(" {query}\n"), Dialect::Sqlite)));
        assert!(!Arc::ptr_eq(&first, &statement(query, Dialect::MySql)), "another dialect");
        assert_eq!(first.text(), "SELECT name FROM items WHERE id = ?");
    }

    #[test]
    fn a_long_query_is_not_the_short_one_that_it_begins_with() {
        let (short, long) = ("x".repeat(8 * 1024), "x".repeat(9 * 1024));
        assert_eq!(statement(&short, Dialect::Sqlite), statement(&short, Dialect::Sqlite));
        let longer = statement(&long, Dialect::Sqlite);
        assert_eq!(longer.text().len(), 2048);
        let mut literal = format!("SELECT '{}'", "x".repeat(8 * 1024 - 9));
        let whole = statement(&literal, Dialect::Sqlite);
        literal.push('1');
        assert_eq!(whole.text(), "SELECT ?");
        assert_eq!(statement(&literal, Dialect::Sqlite).text(), "SELECT ?…");
    }

    #[test]
    fn the_memory_of_a_thread_is_bounded() {
        let mut kept = ReadQueries { places: Vec::new(), bytes: 0 };
        let text = "column, ".repeat(700);
        let mut most = 0;
        for n in 0..2_000 {
            let query = format!("SELECT {text} {n} FROM items");
            assert_eq!(kept.get(&query, false, Dialect::Unknown).summary(), "SELECT items");
            let sum: usize = kept.places.iter().flatten().map(ReadQuery::bytes).sum();
            assert_eq!(kept.bytes, sum);
            most = most.max(sum);
        }
        assert!((MAX_BYTES / 2..=MAX_BYTES).contains(&most), "{most}");
    }
}
