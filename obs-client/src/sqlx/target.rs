//! The database of a pool.

use obs_core::{
    Observer,
    adapter::{CallHead, CallObservation, KnownDatabase},
};
use sqlx::{ConnectOptions, Database, Pool};

/// Everything that calls to a database have in common.
#[derive(Debug)]
pub(super) struct Target {
    observer: Observer,
    /// The name of the pool.
    name: Box<str>,
    database: KnownDatabase,
}

impl Target {
    pub(super) fn of<DB: Database>(observer: &Observer, name: &str, pool: &Pool<DB>) -> Self {
        let system = system(DB::NAME);
        // The URL of an SQLite database in memory is invalid: sqlx panics.
        let url = (system != "sqlite").then(|| pool.connect_options().to_url_lossy());
        let database = url.and_then(|url| KnownDatabase::parse(url.as_str()));
        let database = database.unwrap_or_else(|| KnownDatabase::of_system(system));
        Self { observer: observer.clone(), name: name.into(), database }
    }

    pub(super) fn start(&self, query: &str) -> CallObservation {
        let head = CallHead::of_database(&self.database).dependency(Some(&self.name));
        self.observer.start_call(&head.query_text(Some(query)))
    }
}

/// Returns OpenTelemetry's name of the system.
fn system(name: &str) -> &'static str {
    match name {
        "PostgreSQL" => "postgresql",
        "MySQL" => "mysql",
        "SQLite" => "sqlite",
        _ => "other_sql",
    }
}
