//! Queries and pools of sqlx.
//!
//! With the layer of `obs-tracing`, queries of sqlx are recorded without this module. It adds what
//! the event of sqlx does not have: failures with their SQLSTATE, the name of the pool, and the
//! waits for a connection. It needs no subscriber. A query is never recorded twice.
//!
//! ```no_run
//! use obs_client::sqlx::SqlxExt;
//! use obs_core::Observer;
//! use sqlx::any::AnyPoolOptions;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let observer = Observer::builder("shop").build()?;
//! let pool = AnyPoolOptions::new().connect("postgres://db.internal/shop").await?;
//! let pool = observer.sqlx_pool("orders", pool);
//! sqlx::query("DELETE FROM carts").execute(&pool).await?;
//!
//! let mut transaction = pool.begin().await?;
//! sqlx::query("DELETE FROM items").execute(pool.on(&mut *transaction)).await?;
//! transaction.commit().await?;
//! # Ok(()) }
//! ```
//!
//! | what | how |
//! |---|---|
//! | a pool | `&pool` of [`sqlx_pool`](SqlxExt::sqlx_pool) is an executor, as sqlx's own pool is |
//! | a connection or a transaction | [`pool.on(..)`](ObservedPool::on) |
//! | a wait for a connection | [`pool.acquire()`](ObservedPool::acquire), or a query of `&pool` |
//!
//! # Limits
//! * A query macro of sqlx accepts the pool, too. `query_file!` is the same.
//! * The number of changed rows needs the feature `sqlx-postgres`, `sqlx-sqlite` or `sqlx-any`.
//! * The message of a database's error is not recorded, because it may contain values.

mod executor;
mod failure;
mod generated;
mod pool;
mod query;
mod rows;
mod target;

pub use self::{
    executor::ObservedExecutor,
    pool::{ObservedPool, SqlxExt},
};
