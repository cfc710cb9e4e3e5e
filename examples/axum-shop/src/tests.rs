//! Tests of the events and metrics of the shop. Each test has its own observer in memory and its
//! own database.
use axum::{body::Body, http::Request};
use http_body_util::BodyExt;
use obs_axum::{client::sqlx::SqlxExt, testing::TestObserver};
use tower::ServiceExt;

use crate::{Failure, Shop, app, db, payments::Payments};

/// Sends one request to a shop without a payments service, and returns the status of the response.
async fn send(test: &TestObserver, name: &str, request: Request<Body>) -> Result<u16, Failure> {
    let file = std::env::temp_dir().join(format!("axum-shop-{name}-{}.db", std::process::id()));
    let pool = db::open(&format!("sqlite://{}?mode=rwc", file.display())).await?;
    let db = test.observer().sqlx_pool("database", pool);
    #[cfg(feature = "inventory")]
    let (inventory, bundled) = inventory(test)?;
    let shop = Shop {
        db: db.clone(),
        payments: Payments::at(None, test.observer())?,
        #[cfg(feature = "inventory")]
        inventory,
    };
    let app = app(shop, test.observer());
    let response = app.oneshot(request).await?;
    let status = response.status().as_u16();
    response.into_body().collect().await?; // a request ends with the last byte of its response
    test.wait_for(1).await;
    db.close().await;
    #[cfg(feature = "inventory")]
    bundled.stop().await?;
    std::fs::remove_file(file)?;
    Ok(status)
}

/// Starts an inventory service for one test.
#[cfg(feature = "inventory")]
fn inventory(test: &TestObserver) -> Result<(crate::inventory::Inventory, crate::bundled::Bundled), Failure> {
    let mut url = None;
    let bundled = crate::bundled::start("inventory", &mut url, |listener, stopped| {
        tonic_inventory::run_until(listener, async { drop(stopped.await) })
    })?;
    let url = url.ok_or("it has an address")?;
    Ok((crate::inventory::Inventory::at(&url, test.observer())?, bundled.ok_or("it runs")?))
}

#[tokio::test]
async fn an_item_is_recorded() -> Result<(), Failure> {
    let test = TestObserver::new();
    assert_eq!(send(&test, "item", Request::get("/items/3").body(Body::empty())?).await?, 200);
    test.event()
        .has("http.route", "/items/{id}")
        .has("outcome", "completed")
        .has("fields.item.id", 3)
        .has("slowest_calls.0.dependency", "database")
        .has("slowest_calls.0.operation", "SELECT items");
    test.metric("http_requests_total", &[("endpoint", "/items/{id}"), ("status", "200")]).is(1.0);
    Ok(())
}

#[tokio::test]
async fn a_missing_item_is_not_a_failure() -> Result<(), Failure> {
    let test = TestObserver::new();
    assert_eq!(send(&test, "missing", Request::get("/items/99").body(Body::empty())?).await?, 404);
    test.event()
        .has("exception.type", "no_such_item")
        .has("error.message", "there is no item 99")
        .has_no("error.type");
    test.metric("http_request_errors_total", &[("endpoint", "/items/{id}"), ("error_type", "no_such_item")])
        .is_not_there();
    Ok(())
}

#[tokio::test]
async fn an_order_without_payments_fails_with_a_reason() -> Result<(), Failure> {
    let test = TestObserver::new();
    let order = Request::post("/orders").header("content-type", "application/json");
    let order = order.body(Body::from(r#"{"item_id":1,"quantity":2}"#))?;
    assert_eq!(send(&test, "unpaid", order).await?, 503);
    test.event().has("error.type", "no_payments").has("fields.order.total_cents", 5980);
    test.metric("http_request_errors_total", &[("error_type", "no_payments")]).is(1.0);
    Ok(())
}
