//! The database: SQLite in a file, or PostgreSQL, behind one pool.
use std::time::Duration;

use sqlx::{
    AnyConnection, Connection,
    any::{AnyPoolOptions, install_default_drivers},
};

pub type Db = sqlx::AnyPool;

/// How long a request waits for a connection: when the database is gone, it fails soon and not after sqlx's 30 s.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Makes and fills the tables that are not there yet, and returns the pool.
pub async fn open(url: &str) -> sqlx::Result<Db> {
    install_default_drivers(); // without it, sqlx's `Any` knows no database at all
    // Not through the pool: all that it says of a database that is not there is that it has waited long enough.
    let mut first = AnyConnection::connect(url).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut first).await?;
    first.close().await?;
    AnyPoolOptions::new().max_connections(8).acquire_timeout(PATIENCE).connect_lazy(url)
}

/// Asks whether the database answers.
pub async fn ping(db: Db) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(&db).await.map(drop)
}
