//! The differences between databases that decide where a literal ends.

/// The rules for quotes and comments of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    PostgreSql,
    MySql,
    Sqlite,
    SqlServer,
    /// The database is unknown. If databases read a quote in different ways, the rest of the query
    /// counts as one literal.
    Unknown,
}

impl Dialect {
    /// Returns the dialect of a value of `db.system.name`.
    pub(crate) fn of(system: &str) -> Self {
        match system {
            "postgresql" | "cockroachdb" | "aws.redshift" | "redshift" => Self::PostgreSql,
            "mysql" | "mariadb" => Self::MySql,
            "sqlite" => Self::Sqlite,
            "microsoft.sql_server" | "mssql" => Self::SqlServer,
            _ => Self::Unknown,
        }
    }

    /// The meaning of a backslash in a string in single quotes.
    pub(super) const fn backslash(self) -> Backslash {
        match self {
            Self::MySql => Backslash::Escapes,
            Self::Unknown => Backslash::Unclear,
            _ => Backslash::IsText,
        }
    }
}

/// The meaning of a backslash in a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backslash {
    IsText,
    /// The next character does not end the string.
    Escapes,
    /// It depends on the database.
    Unclear,
}
