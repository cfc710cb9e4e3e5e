//! How an application is used: by requests inside this process, or through its framework's own server.

use std::{
    future::Future,
    io::{Read as _, stdin},
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

use tokio::sync::oneshot;

/// What a setting is asked to do with its application.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drive {
    /// Send it so many requests, one after the other, on this thread and without a socket.
    Requests(u64),
    /// Serve it on a loopback socket until standard input ends.
    Server,
}

static ANSWERED: AtomicU64 = AtomicU64::new(0);

/// Every handler says so, because only it knows how many requests a server has had.
pub(crate) fn answered() {
    ANSWERED.fetch_add(1, Relaxed);
}

impl Drive {
    /// How many requests the application has answered: so many events, and so on, a middleware must have put out.
    pub(crate) fn requests(self) -> u64 {
        let answered = ANSWERED.load(Relaxed);
        if let Self::Requests(requests) = self {
            assert_eq!(answered, requests, "not every request was answered");
        }
        answered
    }
}

/// A socket for a server, whose address becomes the first line on standard output.
pub(crate) fn listener() -> TcpListener {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    listener.set_nonblocking(true).expect("as tokio wants it");
    println!("{}", listener.local_addr().expect("an address"));
    listener
}

/// Until whoever started this process closes its standard input. That needs no signal, and nobody is left behind.
pub(crate) fn until_told() -> impl Future<Output = ()> {
    let (sender, receiver) = oneshot::channel::<()>();
    thread::spawn(move || {
        // Nothing is expected in there, and an error is an end, too.
        let _ = stdin().read_to_end(&mut Vec::new());
        drop(sender);
    });
    async {
        let _ = receiver.await;
    }
}
