//! The payments service in this process, on a thread of its own: actix has its own runtime.
use std::{
    net::{Ipv4Addr, TcpListener},
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use crate::{Failure, config::Config};

/// The running service.
pub struct Bundled {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), Failure>>,
}

/// Starts payments and notes their address in the settings, unless there is one already.
pub fn start(mut config: Config) -> Result<(Config, Option<Bundled>), Failure> {
    if config.payments.is_some() {
        return Ok((config, None));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    config.payments = Some(format!("http://{}", listener.local_addr()?));
    let (stop, stopped) = oneshot::channel();
    let stopped = async { drop(stopped.await) };
    let run = || actix_payments::run_until(listener, stopped);
    let thread = thread::Builder::new().name("payments".into()).spawn(run)?;
    Ok((config, Some(Bundled { stop, thread })))
}

impl Bundled {
    /// Lets payments leave in order.
    pub async fn stop(self) -> Result<(), Failure> {
        drop(self.stop);
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await?;
        ended.map_err(|_| "payments panicked")?
    }
}
