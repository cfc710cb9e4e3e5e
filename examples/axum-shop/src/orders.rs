//! Orders. Placing one finds the item, reserves it, takes the payment and stores the order.
use axum::{Json, extract::State, http::StatusCode};
use obs_axum::{RejectionReport, Reported, current};
use serde::{Deserialize, Serialize};
use tracing::{debug, info};
use uuid::Uuid;

use crate::{Shop, db::Db, error::AppError, items};

pub const MAX_QUANTITY: i64 = 100;

#[derive(Deserialize)]
pub struct NewOrder {
    item_id: i64,
    quantity: i64,
}

#[derive(Serialize)]
pub struct Order {
    id: String,
    item: String,
    quantity: i64,
    total_cents: i64,
    payment_id: String,
}

pub async fn place(
    State(shop): State<Shop>,
    new: Result<Reported<Json<NewOrder>>, RejectionReport>,
) -> Result<(StatusCode, Json<Order>), AppError> {
    let Reported(Json(NewOrder { item_id, quantity })) = new?;
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        return Err(AppError::Quantity(quantity));
    }
    let item = items::find(&shop.db, item_id).await?;
    let id = Uuid::new_v4().to_string();
    let total_cents = item.price_cents.saturating_mul(quantity);
    current().set("order.id", id.as_str());
    current().set("order.total_cents", total_cents);

    debug!(item.id = item_id, quantity, "the order is valid");
    #[cfg(feature = "inventory")]
    shop.inventory.reserve(item_id, quantity).await?;
    let paid = shop.payments.pay(&id, total_cents).await;
    #[cfg(feature = "inventory")]
    if paid.is_err() {
        shop.inventory.release(item_id, quantity).await;
    }
    let payment_id = paid?;
    // Set before the order is stored: if storing fails, the event still has the id of the payment.
    current().set("payment.id", payment_id.as_str());
    let order = Order { id, item: item.name, quantity, total_cents, payment_id };
    store(&shop.db, item_id, &order).await?;
    info!(total_cents, "the order is placed");
    Ok((StatusCode::CREATED, Json(order)))
}

async fn store(db: &Db, item_id: i64, order: &Order) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO orders (id, item_id, quantity, total_cents, payment_id) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&order.id)
    .bind(item_id)
    .bind(order.quantity)
    .bind(order.total_cents)
    .bind(&order.payment_id)
    .execute(db)
    .await
    .map(drop)
}

/// Lists the stored orders, at most a hundred.
pub async fn list(State(shop): State<Shop>) -> Result<Json<Vec<Order>>, AppError> {
    let rows: Vec<(String, String, i64, i64, String)> = sqlx::query_as(
        "SELECT orders.id, items.name, quantity, total_cents, payment_id \
         FROM orders JOIN items ON items.id = item_id ORDER BY orders.id LIMIT 100",
    )
    .fetch_all(&shop.db)
    .await?;
    let order =
        |(id, item, quantity, total_cents, payment_id)| Order { id, item, quantity, total_cents, payment_id };
    Ok(Json(rows.into_iter().map(order).collect()))
}
