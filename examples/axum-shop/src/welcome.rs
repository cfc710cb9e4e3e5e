//! The text that the shop prints at its start. It goes to standard error, because standard output
//! is for events and log lines.
use std::net::SocketAddr;

use crate::config::Config;

pub fn print(addr: SocketAddr, config: &Config) {
    let nowhere = "none, so orders fail: set `PAYMENTS_URL`, or build with the feature `payments`";
    let payments = config.payments.as_deref().unwrap_or(nowhere);
    #[cfg(feature = "inventory")]
    let inventory = config.inventory.as_deref().unwrap_or_default();
    #[cfg(not(feature = "inventory"))]
    let inventory = "none, so every item is in stock";
    eprintln!(
        "shop listens on http://{addr}
  database  {database}
  payments  {payments}
  inventory {inventory}
try (README.md has more)
  curl http://{addr}/items
  curl http://{addr}/orders -H 'content-type: application/json' -d '{{\"item_id\":1,\"quantity\":2}}'
  curl http://{addr}/boom
  curl http://{addr}/metrics
  curl http://{addr}/health",
        database = config.database_in_words(),
    );
}
