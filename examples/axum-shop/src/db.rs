//! The database: SQLite in a file, or PostgreSQL, behind one pool.
use std::time::Duration;

use obs_axum::client::sqlx::ObservedPool;
use sqlx::{
    Any, AnyConnection, AnyPool, Connection,
    any::{AnyPoolOptions, install_default_drivers},
};

/// The pool for handlers: each query is a call, which the event shows.
pub type Db = ObservedPool<Any>;

/// The time that a request waits for a connection. With sqlx's default of 30 s, requests would fail
/// late when the database is down.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Creates and fills the tables that do not exist yet, and returns the pool.
pub async fn open(url: &str) -> sqlx::Result<AnyPool> {
    install_default_drivers(); // without this, sqlx's `Any` supports no database
    // Not through the pool: when the database is down, the pool reports only a timeout.
    let mut first = AnyConnection::connect(url).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut first).await?;
    first.close().await?;
    AnyPoolOptions::new().max_connections(8).acquire_timeout(PATIENCE).connect_lazy(url)
}

/// Checks that the database responds.
pub async fn ping(db: AnyPool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(&db).await.map(drop)
}
