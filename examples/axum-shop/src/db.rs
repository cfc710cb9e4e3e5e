//! The database: SQLite in a file, or PostgreSQL, behind one pool.
use std::time::Duration;

use sqlx::any::{AnyPoolOptions, install_default_drivers};

pub type Db = sqlx::AnyPool;

/// How long a request waits for a connection: when the database is gone, it fails soon and not after sqlx's 30 s.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Connects, and makes and fills the tables that are not there yet.
pub async fn open(url: &str) -> Result<Db, String> {
    // Without it, `AnyPool` knows no database at all.
    install_default_drivers();
    let db = AnyPoolOptions::new().max_connections(8).acquire_timeout(PATIENCE).connect(url).await;
    let db = db.map_err(|error| format!("cannot open the database: {error}"))?;
    let made = sqlx::raw_sql(include_str!("schema.sql")).execute(&db).await;
    made.map_err(|error| format!("cannot make the tables: {error}"))?;
    Ok(db)
}

/// Asks whether the database answers.
pub async fn ping(db: Db) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(&db).await.map(drop)
}
