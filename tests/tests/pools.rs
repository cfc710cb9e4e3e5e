//! The gauges of pools of deadpool and bb8.

use std::convert::Infallible;

use obs_client::PoolsExt as _;
use obs_core::testing::TestObserver;
use obs_tests::watch::until;

struct Connections;

impl deadpool::managed::Manager for Connections {
    type Type = ();
    type Error = Infallible;

    async fn create(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn recycle(
        &self,
        (): &mut (),
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl bb8::ManageConnection for Connections {
    type Connection = ();
    type Error = Infallible;

    async fn connect(&self) -> Result<(), Infallible> {
        Ok(())
    }

    async fn is_valid(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

fn check(test: &TestObserver, pool: &str, idle: f64, used: f64) {
    test.metric("db_client_connection_count", &[("pool", pool), ("state", "idle")]).is(idle);
    test.metric("db_client_connection_count", &[("pool", pool), ("state", "used")]).is(used);
}

#[tokio::test]
async fn a_pool_of_deadpool_has_gauges_until_it_is_closed() {
    let test = TestObserver::new();
    let pool = deadpool::managed::Pool::builder(Connections).max_size(2).build().expect("a pool");
    let pool: deadpool::managed::Pool<Connections> = pool;
    test.observer().deadpool_pool("orders", &pool);
    let held = [pool.get().await.expect("one"), pool.get().await.expect("two")];
    check(&test, "orders", 0.0, 2.0);
    test.metric("db_client_connection_max", &[("pool", "orders")]).is(2.0);
    let pending = |n: &str| {
        let line = format!(r#"db_client_connection_pending_requests{{pool="orders"}} {n}"#);
        test.observer().metrics_text().contains(&line)
    };
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    until(|| pending("1")).await;
    drop(held);
    waiting.await.expect("no panic").expect("a connection");
    assert!(pending("0"));
    check(&test, "orders", 2.0, 0.0);
    pool.close();
    assert!(!test.observer().metrics_text().contains(r#"pool="orders""#));
}

#[tokio::test]
async fn a_pool_of_bb8_has_gauges() {
    let test = TestObserver::new();
    let pool = bb8::Pool::builder().max_size(3).min_idle(1).build(Connections).await.expect("a pool");
    test.observer().bb8_pool("orders", &pool);
    let held = pool.get().await.expect("a connection");
    let used = r#"db_client_connection_count{pool="orders",state="used"} 1"#;
    until(|| test.observer().metrics_text().contains(used)).await;
    test.metric("db_client_connection_max", &[("pool", "orders")]).is(3.0);
    test.metric("db_client_connection_pending_requests", &[("pool", "orders")]).is_not_there();
    drop(held);
}
