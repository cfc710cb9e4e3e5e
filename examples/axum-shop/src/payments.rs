//! The client of the payments service. Each request is a call, which the event shows. It sends the
//! trace and the request id.
use std::time::Duration;

use obs_axum::{
    Observer,
    client::reqwest::{ReqwestClient, ReqwestExt},
};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;
use tracing::debug;

use crate::{Failure, error::AppError};

#[derive(Clone)]
pub struct Payments {
    client: ReqwestClient,
    /// The URL to pay at, if there is a payments service.
    url: Option<Url>,
}

#[derive(Deserialize)]
struct Payment {
    id: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Payments {
    /// A client of the service at `base`.
    pub fn at(base: Option<&str>, observer: &Observer) -> Result<Self, Failure> {
        // reqwest has no provider of its own. This fails if the process has one already.
        #[cfg(feature = "https")]
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(1))
            // actix closes a connection after 5 s without a request. The pool drops it earlier, so
            // an order never uses a connection that is being closed.
            .pool_idle_timeout(Duration::from_secs(4))
            .no_proxy(); // the payments service is in the same network
        let client =
            observer.reqwest().client(client).named("payments").timeout(Duration::from_secs(5)).build()?;
        Ok(Self { client, url: base.map(endpoint).transpose()? })
    }

    /// Pays for an order, and returns the payment's id.
    pub async fn pay(&self, order_id: &str, amount_cents: i64) -> Result<String, AppError> {
        let url = self.url.clone().ok_or(AppError::NoPayments)?;
        debug!(amount_cents, "asks for the payment");
        let body = json!({ "order_id": order_id, "amount_cents": amount_cents });
        let request = self.client.post(url).operation("POST /payments").json(&body);
        let response = request.send().await?;
        match response.status() {
            status if status.is_success() => Ok(response.json::<Payment>().await?.id),
            StatusCode::PAYMENT_REQUIRED => {
                Err(AppError::PaymentRefused(response.json::<Refusal>().await?.error))
            }
            status => Err(AppError::PaymentsFailed(status)),
        }
    }
}

fn endpoint(base: &str) -> Result<Url, String> {
    let url = Url::parse(&format!("{}/payments", base.trim_end_matches('/'))).ok();
    url.filter(|url| url.scheme() == "http" || (cfg!(feature = "https") && url.scheme() == "https"))
        .ok_or_else(|| format!("`PAYMENTS_URL` is {base:?}, but should be like http://127.0.0.1:3001"))
}
