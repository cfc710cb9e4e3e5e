//! Tests of the events and metrics of payments. Each test has its own observer in memory.
use actix_web::{
    App,
    test::{TestRequest, call_service, init_service, read_body},
    web::Data,
};
use obs_actix::{Observe, testing::TestObserver};
use serde_json::json;

use crate::{payments::Ledger, routes};

/// Sends one request, and returns the status of the response.
async fn send(test: &TestObserver, request: TestRequest) -> u16 {
    let app = App::new().app_data(Data::new(Ledger::default())).configure(routes);
    let service = init_service(app.wrap(Observe::new(test.observer()))).await;
    let response = call_service(&service, request.to_request()).await;
    let status = response.status().as_u16();
    read_body(response).await; // a request ends with the last byte of its response
    test.wait_for(1).await;
    status
}

#[actix_web::test]
async fn a_payment_is_recorded() {
    let test = TestObserver::new();
    let payment =
        TestRequest::post().uri("/payments").set_json(json!({"order_id": "o-1", "amount_cents": 250}));
    assert_eq!(send(&test, payment).await, 201);
    test.event()
        .has("http.route", "/payments")
        .has("fields.payment.amount_cents", 250)
        .has("fields.order.id", "o-1");
    test.metric("http_requests_total", &[("endpoint", "/payments"), ("status", "201")]).is(1.0);
}

#[actix_web::test]
async fn a_rejected_payment_is_not_a_failure() {
    let test = TestObserver::new();
    let payment =
        TestRequest::post().uri("/payments").set_json(json!({"order_id": "o-1", "amount_cents": 0}));
    assert_eq!(send(&test, payment).await, 402);
    test.event().has("exception.type", "payment_refused").has_no("error.type").has_no("fields.payment.id");
}

#[actix_web::test]
async fn an_error_is_recorded_with_its_sources() {
    let test = TestObserver::new();
    assert_eq!(send(&test, TestRequest::get().uri("/fail")).await, 500);
    test.event().has("error.type", "fees_unreadable").has("error.sources.0", "line 1 has no fee");
    test.metric("http_request_errors_total", &[("endpoint", "/fail"), ("error_type", "fees_unreadable")])
        .is(1.0);
}
