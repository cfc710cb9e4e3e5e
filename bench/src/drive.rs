//! The ways to drive an application: with requests inside this process, or through the server of
//! its framework.

use std::{
    future::Future,
    io::{Read as _, stdin},
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

use tokio::sync::oneshot;

/// The way in which a setting drives its application.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drive {
    /// Send this number of requests, one after the other, on this thread and without a socket.
    Requests(u64),
    /// Serve on a loopback socket until standard input ends.
    Server,
}

static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// Counts an answered request. Every handler calls it, because only the handler sees all requests
/// of a server.
pub(crate) fn answered() {
    ANSWERED.fetch_add(1, Relaxed);
}

impl Drive {
    /// The number of requests that the application has answered. A middleware must have emitted the
    /// same number of events.
    pub(crate) fn requests(self) -> u64 {
        let answered = ANSWERED.load(Relaxed);
        if let Self::Requests(requests) = self {
            assert_eq!(answered, requests, "not every request was answered");
        }
        answered
    }
}

/// Opens a socket for a server, and prints its address as the first line on standard output.
pub(crate) fn listener() -> TcpListener {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    listener.set_nonblocking(true).expect("a non-blocking socket");
    println!("{}", listener.local_addr().expect("an address"));
    listener
}

/// Waits until the parent process closes this process's standard input. This needs no signal, and
/// no process stays behind if the parent ends.
pub(crate) fn until_stopped() -> impl Future<Output = ()> {
    let (sender, receiver) = oneshot::channel::<()>();
    thread::spawn(move || {
        // The input is empty, and an error also ends it.
        let _ = stdin().read_to_end(&mut Vec::new());
        drop(sender);
    });
    async {
        let _ = receiver.await;
    }
}
