//! The same layer under tonic.

use obs_axum::ObserverExt;
use obs_core::Outcome;
use obs_tests::watch::Watch;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

#[tokio::test]
async fn a_grpc_call_leaves_one_record() {
    let watch = Watch::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let (_reporter, service) = tonic_health::server::health_reporter();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder().layer(watch.observer.layer()).add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));

    let channel = tonic::transport::Channel::from_shared(format!("http://{addr}")).expect("a URI");
    let mut client = HealthClient::new(channel.connect().await.expect("connected"));
    let known = client.check(HealthCheckRequest { service: String::new() }).await;
    assert!(known.is_ok(), "trailers arrive: {known:?}");
    let unknown = client.check(HealthCheckRequest { service: "no.such".to_owned() }).await;
    assert_eq!(unknown.expect_err("refused").code(), tonic::Code::NotFound);

    let records = watch.ended(2).await;
    for record in &records {
        assert_eq!(record.outcome, Outcome::Completed);
        assert_eq!(record.status, Some(200));
        assert_eq!(record.request().path(), "/grpc.health.v1.Health/Check");
    }
    assert!(records[0].response_bytes > 0);
    watch.running(0).await;
}
