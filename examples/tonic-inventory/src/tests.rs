//! Tests of the events and metrics of the inventory. Each test has its own observer in memory.
use std::{env, fs, path::Path, process};

use obs_axum::{ObserveLayer, testing::TestObserver};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tonic::{
    Code,
    transport::{Channel, Server, server::TcpIncoming},
};

use crate::{
    Result,
    proto::{
        CountRequest, Delivery, ReserveRequest, WatchRequest, inventory_client::InventoryClient,
        inventory_server::InventoryServer,
    },
    service::Service,
    stock::Stock,
};

/// Starts a service, and returns its client and its task. Aborting the task stops the service.
async fn start(test: &TestObserver) -> Result<(InventoryClient<Channel>, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let (staying, leaving) = watch::channel(());
    let service = InventoryServer::new(Service::new(Stock::seeded(), leaving));
    let server = Server::builder().layer(ObserveLayer::new(test.observer())).add_service(service);
    let running = server.serve_with_incoming(TcpIncoming::from(listener));
    let task = tokio::spawn(async move { drop((running.await, staying)) });
    Ok((InventoryClient::connect(format!("http://{addr}")).await?, task))
}

#[tokio::test]
async fn a_reservation_is_recorded() -> Result<()> {
    let test = TestObserver::new();
    let (mut inventory, server) = start(&test).await?;
    let level = inventory.reserve(ReserveRequest { item_id: 3, quantity: 2 }).await?.into_inner();
    assert_eq!((level.item_id, level.left), (3, 498));
    test.wait_for(1).await;
    test.event()
        .has("rpc.method", "inventory.v1.Inventory/Reserve")
        .has("rpc.response.status_code", "OK")
        .has("fields.item.left", 498);
    test.metric(
        "http_requests_total",
        &[("endpoint", "/inventory.v1.Inventory/Reserve"), ("grpc_status", "OK")],
    )
    .is(1.0);
    server.abort();
    Ok(())
}

#[tokio::test]
async fn an_item_out_of_stock_is_not_a_failure() -> Result<()> {
    let test = TestObserver::new();
    let (mut inventory, server) = start(&test).await?;
    let refused = inventory.reserve(ReserveRequest { item_id: 4, quantity: 8 }).await;
    let refused = refused.expect_err("only 7 are there");
    assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, "only 7 of item 4 are left"));
    test.wait_for(1).await;
    test.event()
        .has("rpc.response.status_code", "FAILED_PRECONDITION")
        .has("exception.type", "out_of_stock")
        .has("error.message", "only 7 of item 4 are left")
        .has_no("error.type");
    server.abort();
    Ok(())
}

#[tokio::test]
async fn streaming_calls_are_recorded_as_streams() -> Result<()> {
    let test = TestObserver::new();
    let (mut inventory, server) = start(&test).await?;
    let deliveries = [1, 2, 3].map(|item_id| Delivery { item_id, quantity: 10 });
    let restocked = inventory.restock(tokio_stream::iter(deliveries)).await?.into_inner();
    assert_eq!((restocked.deliveries, restocked.items), (3, 30));
    test.wait_for(1).await;
    test.event().has("stream", true).has("grpc.request.messages", 3).has("fields.restocked.items", 30);

    let asked = [1, 2].map(|item_id| WatchRequest { item_id });
    let mut levels = inventory.check(tokio_stream::iter(asked)).await?.into_inner();
    let mut left = Vec::new();
    while let Some(level) = levels.message().await? {
        left.push(level.left);
    }
    assert_eq!(left, [1_010, 10_010]);
    let mut watching = inventory.watch(WatchRequest { item_id: 1 }).await?.into_inner();
    assert_eq!(watching.message().await?.map(|level| level.left), Some(1_010));
    drop(watching); // the client disconnects
    test.wait_for(3).await;
    test.metric("http_stream_duration_seconds_count", &[("endpoint", "/inventory.v1.Inventory/Watch")])
        .is(1.0);
    test.metric("http_request_errors_total", &[("error_type", "cancelled_in_body")]).is(1.0);
    server.abort();
    Ok(())
}

#[tokio::test]
async fn an_empty_delivery_is_rejected() -> Result<()> {
    let test = TestObserver::new();
    let (mut inventory, server) = start(&test).await?;
    let deliveries = [10, 0].map(|quantity| Delivery { item_id: 1, quantity });
    let refused = inventory.restock(tokio_stream::iter(deliveries)).await.expect_err("nothing was delivered");
    assert_eq!(refused.code(), Code::InvalidArgument);
    test.wait_for(1).await;
    test.event().has("exception.type", "quantity").has("fields.restocked.items", 10);
    server.abort();
    Ok(())
}

#[tokio::test]
async fn an_error_within_a_stream_is_recorded() -> Result<()> {
    let test = TestObserver::new();
    let (mut inventory, server) = start(&test).await?;
    let asked = [1, 99].map(|item_id| WatchRequest { item_id });
    let mut levels = inventory.check(tokio_stream::iter(asked)).await?.into_inner();
    assert_eq!(levels.message().await?.map(|level| level.left), Some(1_000));
    assert_eq!(levels.message().await.expect_err("there is no such item").code(), Code::NotFound);
    test.wait_for(1).await;
    test.event().has("exception.type", "no_such_item").has("error.message", "there is no item 99");
    server.abort();
    Ok(())
}

#[tokio::test]
async fn a_panic_is_answered_and_recorded() -> Result<()> {
    let test = TestObserver::new();
    let (mut inventory, server) = start(&test).await?;
    let failed = inventory.count(CountRequest {}).await.expect_err("it panics");
    assert_eq!(failed.code(), Code::Internal);
    test.wait_for(1).await;
    test.event()
        .has("outcome", "panic")
        .has("error.message", "lost count")
        .has("rpc.response.status_code", "INTERNAL");
    server.abort();
    Ok(())
}

/// The generated code is that of the `.proto` file. `UPDATE_PROTO=1` writes it again.
#[test]
fn the_code_of_the_proto_file_is_up_to_date() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files = protox::compile([folder.join("inventory.proto")], [&folder])?;
    let fresh = env::temp_dir().join(format!("inventory-proto-{}", process::id()));
    fs::create_dir_all(&fresh)?;
    tonic_prost_build::configure().out_dir(&fresh).compile_fds(files)?;
    let generated = fs::read_to_string(fresh.join("inventory.v1.rs"))?;
    fs::remove_dir_all(fresh)?;
    let file = folder.join("inventory.v1.rs");
    if env::var_os("UPDATE_PROTO").is_some() {
        fs::write(&file, &generated)?;
    }
    assert!(
        fs::read_to_string(file)? == generated,
        "run `UPDATE_PROTO=1 cargo test -p tonic-inventory proto`"
    );
    Ok(())
}
