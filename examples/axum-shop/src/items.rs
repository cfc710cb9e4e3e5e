//! The items that the shop sells.
use axum::{
    Json,
    extract::{Path, State},
};
use obs_axum::{RejectionReport, Reported, current};
use serde::Serialize;

use crate::{Shop, db::Db, error::AppError};

#[derive(Serialize)]
pub struct Item {
    id: i64,
    pub name: String,
    pub price_cents: i64,
}

type Row = (i64, String, i64);

impl From<Row> for Item {
    fn from((id, name, price_cents): Row) -> Self {
        Self { id, name, price_cents }
    }
}

pub async fn list(State(shop): State<Shop>) -> Result<Json<Vec<Item>>, AppError> {
    let rows: Vec<Row> =
        sqlx::query_as("SELECT id, name, price_cents FROM items ORDER BY id").fetch_all(&shop.db).await?;
    Ok(Json(rows.into_iter().map(Item::from).collect()))
}

pub async fn one(
    State(shop): State<Shop>,
    id: Result<Reported<Path<i64>>, RejectionReport>,
) -> Result<Json<Item>, AppError> {
    let Reported(Path(id)) = id?;
    Ok(Json(find(&shop.db, id).await?))
}

/// Returns the item with this id, and sets the id as a field of the event.
pub async fn find(db: &Db, id: i64) -> Result<Item, AppError> {
    current().set("item.id", id);
    let row: Option<Row> = sqlx::query_as("SELECT id, name, price_cents FROM items WHERE id = $1")
        .bind(id)
        .fetch_optional(db)
        .await?;
    row.map(Item::from).ok_or(AppError::NoSuchItem(id))
}
