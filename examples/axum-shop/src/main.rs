//! A shop: items and orders in a database, payments over HTTP, stock over gRPC. It has a route for
//! each way in which a request can end.
#[cfg(any(feature = "inventory", feature = "payments"))]
mod bundled;
mod config;
mod db;
mod endings;
mod error;
#[cfg(feature = "inventory")]
mod inventory;
mod items;
mod orders;
mod payments;
#[cfg(test)]
mod tests;
mod welcome;

use axum::{Router, routing::get};
use obs_axum::{Logs, ObservedApp, Observer, RouterExt, client::sqlx::SqlxExt};
use tokio::net::TcpListener;

use crate::{config::Config, db::Db, payments::Payments};

/// The reason why the program ends early.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The state that handlers share.
#[derive(Clone)]
struct Shop {
    db: Db,
    payments: Payments,
    #[cfg(feature = "inventory")]
    inventory: inventory::Inventory,
}

fn app(shop: Shop, observer: &Observer) -> ObservedApp {
    Router::new()
        .route("/items", get(items::list))
        .route("/items/{id}", get(items::one))
        .route("/orders", get(orders::list).post(orders::place))
        .with_state(shop)
        .merge(endings::routes())
        .observed(observer)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let config = Config::from_env()?;
    let pool = db::open(&config.database)
        .await
        .map_err(|error| format!("cannot open the database, {}: {error}", config.database_in_words()))?;
    let ping = pool.clone();
    let logs = Logs::new()
        // actix has a line for each start, at the level info.
        .levels("info,actix_server=warn")
        .fields(["order.id"])
        // Debug lines of a request that fails. The other services may run in this process.
        .collect("axum_shop=debug,actix_payments=debug,tonic_inventory=debug");
    let observer = Observer::builder("shop")
        .logs(logs)
        // Longer than the pool waits for a connection, so the check reports the pool's error and
        // not a timeout.
        .check_within(db::PATIENCE * 2, "db", move || db::ping(ping.clone()))
        .build()?;
    obs_axum::logs::init(&observer)?;
    let db = observer.sqlx_pool("database", pool);
    let listener = TcpListener::bind(&config.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;

    #[cfg_attr(not(any(feature = "inventory", feature = "payments")), allow(unused_mut))]
    let mut config = config;
    #[cfg(feature = "payments")]
    let payments = bundled::start("payments", &mut config.payments, |listener, stopped| {
        actix_payments::run_until(listener, async { drop(stopped.await) })
    })?;
    #[cfg(feature = "inventory")]
    let inventory = bundled::start("inventory", &mut config.inventory, |listener, stopped| {
        tonic_inventory::run_until(listener, async { drop(stopped.await) })
    })?;
    let shop = Shop {
        db: db.clone(),
        payments: Payments::at(config.payments.as_deref(), &observer)?,
        #[cfg(feature = "inventory")]
        inventory: inventory::Inventory::at(config.inventory.as_deref().unwrap_or_default(), &observer)?,
    };
    welcome::print(listener.local_addr()?, &config);
    obs_axum::serve(listener, app(shop, &observer)).await?;

    // The last order may still call the other services, so they stop after the shop.
    #[cfg(feature = "payments")]
    if let Some(payments) = payments {
        payments.stop().await?;
    }
    #[cfg(feature = "inventory")]
    if let Some(inventory) = inventory {
        inventory.stop().await?;
    }
    db.close().await;
    if let Some(file) = config.temporary {
        std::fs::remove_file(file)?;
    }
    Ok(())
}
