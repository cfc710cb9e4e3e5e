//! The route that takes payments, and the ledger that keeps them in memory.
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use actix_web::{HttpResponse, post, web};
use obs_actix::current;
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use crate::error::PaymentsError;

/// The largest amount of one payment.
pub(crate) const MAX_CENTS: i64 = 100_000;

/// The number of payments that the ledger keeps.
const REMEMBERED: usize = 10_000;

/// The last payments, each with the order that it paid.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Payments>);

#[derive(Default)]
struct Payments {
    taken: u64,
    last: VecDeque<(String, String)>,
}

#[derive(Deserialize)]
struct NewPayment {
    order_id: String,
    amount_cents: i64,
}

#[derive(Serialize)]
struct Payment {
    id: String,
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(pay);
}

#[post("/payments")]
async fn pay(new: web::Json<NewPayment>, ledger: web::Data<Ledger>) -> Result<HttpResponse, PaymentsError> {
    let NewPayment { order_id, amount_cents } = new.into_inner();
    current().set("order.id", order_id.as_str());
    current().set("payment.amount_cents", amount_cents);
    if !(1..=MAX_CENTS).contains(&amount_cents) {
        return Err(PaymentsError::Refused(amount_cents));
    }
    debug!(max_cents = MAX_CENTS, "the amount is allowed");
    let id = ledger.pay(order_id);
    current().set("payment.id", id.as_str());
    info!(payment.id = id, amount_cents, "the payment is taken");
    Ok(HttpResponse::Created().json(Payment { id }))
}

impl Ledger {
    /// Takes a payment. An order that is sent again is not paid again.
    fn pay(&self, order_id: String) -> String {
        let mut payments = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, id)) = payments.last.iter().find(|(order, _)| *order == order_id) {
            warn!(payment.id = id, "the order is paid already");
            return id.clone();
        }
        payments.taken += 1;
        let id = format!("pay-{}", payments.taken);
        payments.last.push_back((order_id, id.clone()));
        if payments.last.len() > REMEMBERED {
            payments.last.pop_front();
        }
        id
    }
}
