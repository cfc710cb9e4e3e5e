//! The time limit of connections whose client accepts no data.

use std::any::Any;

use actix_web::dev::Extensions;
use obs_core::Observer;

/// Returns a function for `HttpServer::on_connect` that limits the time of responses without
/// progress.
///
/// If a client accepts no data of a response for the [stall
/// timeout](obs_core::ObserverBuilder::stall_timeout) (30 s by default), the system closes the
/// connection. A client that does not read would otherwise keep its response in memory for as long
/// as it likes, because actix-web has no such limit.
///
/// Call it before `bind`. It works on Linux and Android, for TCP without TLS. Otherwise it has no
/// effect.
///
/// ```no_run
/// # use actix_web::{App, HttpServer, web};
/// # use obs_actix::{Observe, Observer};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let observer = Observer::builder("shop").build()?;
/// let observe = Observe::new(&observer);
/// let server = HttpServer::new(move || App::new().wrap(observe.clone()))
///     .on_connect(obs_actix::on_connect(&observer))
///     .bind("127.0.0.1:3000")?;
/// obs_actix::serve(server, &observer).await?;
/// # Ok(()) }
/// ```
pub fn on_connect(observer: &Observer) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    let timeout = observer.stall_timeout();
    move |connection, _| {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() {
            // A socket without this option works as before.
            let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(timeout));
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = (connection, timeout);
    }
}
