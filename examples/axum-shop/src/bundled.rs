//! The other services in this process. Each has its own thread and its own runtime.
use std::{
    net::{Ipv4Addr, TcpListener},
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use crate::Failure;

/// A running service.
pub struct Bundled {
    name: &'static str,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), Failure>>,
}

/// A future that completes when the service must stop.
pub type Stopped = oneshot::Receiver<()>;

/// Starts a service and stores its address in `url`, unless `url` is set already.
pub fn start(
    name: &'static str,
    url: &mut Option<String>,
    run: impl FnOnce(TcpListener, Stopped) -> Result<(), Failure> + Send + 'static,
) -> Result<Option<Bundled>, Failure> {
    if url.is_some() {
        return Ok(None);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    *url = Some(format!("http://{}", listener.local_addr()?));
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new().name(name.into()).spawn(move || run(listener, stopped))?;
    Ok(Some(Bundled { name, stop, thread }))
}

impl Bundled {
    /// Stops the service, and waits for its end.
    pub async fn stop(self) -> Result<(), Failure> {
        drop(self.stop);
        let ended = tokio::task::spawn_blocking(move || self.thread.join()).await?;
        ended.map_err(|_| format!("{} panicked", self.name))?
    }
}
