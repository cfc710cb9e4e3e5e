//! The payments service in this process, on a thread of its own: actix has its own runtime.
use std::{
    net::{Ipv4Addr, TcpListener},
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use crate::{Failure, config::Config};

/// The running service, if one was needed.
pub struct Bundled(Option<(oneshot::Sender<()>, JoinHandle<Result<(), Failure>>)>);

/// Starts payments unless the settings name some, and names them.
pub fn start(mut config: Config) -> Result<(Config, Bundled), Failure> {
    if config.payments.is_some() {
        return Ok((config, Bundled(None)));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    config.payments = Some(format!("http://{}", listener.local_addr()?));
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let run = || actix_payments::run_until(listener, stopped);
    let thread = thread::Builder::new().name("payments".into()).spawn(run)?;
    Ok((config, Bundled(Some((stop, thread)))))
}

impl Bundled {
    /// Lets payments leave in order.
    pub async fn stop(self) -> Result<(), Failure> {
        if let Some((stop, thread)) = self.0 {
            drop(stop);
            let ended = tokio::task::spawn_blocking(move || thread.join()).await?;
            ended.map_err(|_| "payments panicked")??;
        }
        Ok(())
    }
}
