//! Tests of features that only actix-web has: scopes, guards, its own extractors.

use obs_tests::of_request::OfRequest as _;
use std::{net::SocketAddr, time::Duration};

use actix_web::{App, HttpServer, guard, web};
use obs_actix::{CurrentId, CurrentWork, Observe, current};
use obs_core::Outcome;
use obs_tests::{
    client::{Client, get},
    watch::{Watch, until},
};
use tokio::sync::oneshot;

/// A server on its own thread, because actix needs its own runtime.
struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<std::io::Result<()>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic").expect("it serves");
        }
    }
}

fn serve(watch: &Watch, half_closed: bool, routes: fn(&mut web::ServiceConfig)) -> Server {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let (stop, stopping) = oneshot::channel::<()>();
    let observer = watch.observer.clone();
    let thread = std::thread::spawn(move || {
        let observe = Observe::new(&observer);
        let server = HttpServer::new(move || App::new().configure(routes).wrap(observe.clone()))
            .h1_allow_half_closed(half_closed)
            .workers(2)
            .listen(listener)?;
        let signal = async { drop(stopping.await) };
        let run = async { obs_actix::serve(server, &observer).with_signal(signal).await };
        actix_web::rt::System::new().block_on(run)
    });
    Server { addr, stop: Some(stop), thread: Some(thread) }
}

async fn routes(
    configure: fn(&mut web::ServiceConfig),
    requests: &[(&str, Option<&'static str>)],
) -> Vec<(u16, String)> {
    let watch = Watch::default();
    let server = serve(&watch, true, configure);
    let mut client = Client::connect(server.addr, false).await;
    for (path, secret) in requests {
        let mut request = get(path);
        if let Some(secret) = secret {
            request.headers_mut().insert("x-secret", http::HeaderValue::from_static(secret));
        }
        client.send(request).await.expect("an answer");
    }
    let records = watch.ended(requests.len()).await;
    client.disconnect().await;
    records
        .iter()
        .map(|record| (record.end().status.expect("a status"), record.route_label().to_owned()))
        .collect()
}

async fn ok() -> &'static str {
    "ok"
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_have_whole_templates() {
    let configure = |config: &mut web::ServiceConfig| {
        let inner = web::scope("/shops/{shop}").route("/items/{id}", web::get().to(ok));
        config
            .service(web::scope("/api").service(inner).default_service(web::to(ok)))
            .service(web::resource(["/one", "/two"]).to(ok));
    };
    let records =
        routes(configure, &[("/api/shops/3/items/7", None), ("/api/nothing", None), ("/none", None)]).await;
    assert_eq!(
        records,
        [
            (200, "/api/shops/{shop}/items/{id}".to_owned()),
            (200, "unmatched".to_owned()),
            (404, "unmatched".to_owned())
        ]
    );
}

/// A match before routing could not tell the two routes of `/u/me` apart.
#[tokio::test(flavor = "multi_thread")]
async fn guards_decide_the_route() {
    let configure = |config: &mut web::ServiceConfig| {
        let me = web::resource("/u/me").guard(guard::Header("x-secret", "me")).to(ok);
        config.service(me).service(web::resource("/u/{id}").to(ok));
    };
    let records = routes(configure, &[("/u/me", Some("me")), ("/u/me", None), ("/u/7", None)]).await;
    let routes: Vec<_> = records.iter().map(|(_, route)| route.as_str()).collect();
    assert_eq!(routes, ["/u/me", "/u/{id}", "/u/{id}"]);
}

/// Only a route at the exact path replaces an endpoint. A catch-all route does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_catch_all_route_keeps_the_endpoints() {
    let configure = |config: &mut web::ServiceConfig| {
        config.route("/{path:.*}", web::get().to(ok));
    };
    let records = routes(configure, &[("/page", None), ("/livez", None)]).await;
    let routes: Vec<_> = records.iter().map(|(_, route)| route.as_str()).collect();
    assert_eq!(routes, ["/{path:.*}", "/livez"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn extractors_and_spawned_work() {
    async fn handler(CurrentId(id): CurrentId, CurrentWork(handle): CurrentWork) -> String {
        let task = actix_web::rt::spawn(handle.scope(async { current().set("task", true) }));
        task.await.expect("no panic");
        let thread = move || handle.run(|| current().set("thread", true));
        web::block(thread).await.expect("no panic");
        id.to_string()
    }
    let watch = Watch::default();
    let server = serve(&watch, true, |config| {
        config.route("/", web::get().to(handler));
    });
    let mut client = Client::connect(server.addr, false).await;
    let answer = client.send(get("/")).await.expect("an answer");
    assert_eq!(Some(&*String::from_utf8_lossy(&answer.body)), answer.header("x-request-id"));
    let records = watch.ended(1).await;
    assert_eq!(records[0].fields.get("task"), Some(&true.into()));
    assert_eq!(records[0].fields.get("thread"), Some(&true.into()));
    assert!(records[0].head().peer.is_some());
    client.disconnect().await;
}

/// A handler that blocks its thread for ever cannot be aborted, but does not delay the exit.
#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_worker_does_not_delay_the_shutdown() {
    let watch = Watch::with(|builder| builder.drain_timeout(Duration::from_secs(1)));
    let mut server = serve(&watch, true, |config| {
        config.route(
            "/block",
            web::get().to(|| async {
                loop {
                    std::thread::park();
                }
                #[allow(unreachable_code)]
                ""
            }),
        );
    });
    let mut client = Client::connect(server.addr, false).await;
    let blocked = tokio::spawn(async move { client.send(get("/block")).await });
    watch.running(1).await;
    server.stop.take();
    let thread = server.thread.take().expect("it runs");
    until(|| thread.is_finished()).await;
    assert_eq!(watch.observer.in_flight(), 1, "the handler still hangs");
    blocked.abort();
}

/// Over HTTP/1, actix detects a disconnected client if half-closed connections are not allowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_is_detected_without_half_closed_connections() {
    let watch = Watch::default();
    let server = serve(&watch, false, |config| {
        config.route("/hang/{n}", web::get().to(std::future::pending::<actix_web::HttpResponse>));
    });
    let mut client = Client::connect(server.addr, false).await;
    tokio::select! {
        answer = client.open(get("/hang/1")) => panic!("an answer: {answer:?}"),
        () = until(|| watch.observer.in_flight() == 1) => {}
    }
    client.disconnect().await;
    let record = &watch.ended(1).await[0];
    assert_eq!(record.outcome, Outcome::CancelledBeforeResponse);
    assert_eq!(record.route_label(), "/hang/{n}");
}
