//! The fees for each way to pay: a short list.
use actix_web::{get, web};
use obs_actix::current;
use serde::Serialize;

use crate::error::PaymentsError;

#[derive(Clone, Copy, Serialize)]
struct Item {
    id: u32,
    name: &'static str,
    cents: u32,
}

const ITEMS: [Item; 3] = [
    Item { id: 1, name: "card", cents: 30 },
    Item { id: 2, name: "bank transfer", cents: 0 },
    Item { id: 3, name: "cash on delivery", cents: 450 },
];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(items).service(item);
}

#[get("/items")]
async fn items() -> web::Json<[Item; 3]> {
    web::Json(ITEMS)
}

#[get("/items/{id}")]
async fn item(id: web::Path<u32>) -> Result<web::Json<Item>, PaymentsError> {
    current().set("item.id", *id);
    let item = ITEMS.into_iter().find(|item| item.id == *id);
    item.map(web::Json).ok_or(PaymentsError::NoSuchItem(*id))
}
