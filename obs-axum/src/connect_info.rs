//! Information about a connection, in a type of the application's own.

use std::{fmt, net::SocketAddr};

use axum::{extract::connect_info::Connected, serve::Listener};

/// A connection that [`serve`](crate::serve()) has accepted, for
/// [`ObservedApp::with_connect_info`](crate::ObservedApp::with_connect_info).
///
/// It has the same methods as axum's `IncomingStream`, which only axum itself can make. A type that
/// already implements `Connected<IncomingStream<'_, L>>` needs a second implementation for this
/// type, with the same body.
pub struct AcceptedStream<'a, L: Listener> {
    io: &'a L::Io,
    remote_addr: &'a L::Addr,
}

impl<'a, L: Listener> AcceptedStream<'a, L> {
    pub(crate) const fn new(io: &'a L::Io, remote_addr: &'a L::Addr) -> Self {
        Self { io, remote_addr }
    }

    /// The stream of the connection, such as a `TcpStream` or a TLS stream.
    #[must_use]
    pub const fn io(&self) -> &L::Io {
        self.io
    }

    /// The peer address of the connection.
    #[must_use]
    pub const fn remote_addr(&self) -> &L::Addr {
        self.remote_addr
    }
}

impl<L> fmt::Debug for AcceptedStream<'_, L>
where
    L: Listener,
    L::Addr: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedStream").field("remote_addr", self.remote_addr).finish_non_exhaustive()
    }
}

/// No information of the application's own: the default of an [`ObservedApp`](crate::ObservedApp).
impl<L: Listener> Connected<AcceptedStream<'_, L>> for () {
    fn connect_info(_: AcceptedStream<'_, L>) -> Self {}
}

/// The peer address, which handlers also get without
/// [`with_connect_info`](crate::ObservedApp::with_connect_info).
impl<L: Listener<Addr = Self>> Connected<AcceptedStream<'_, L>> for SocketAddr {
    fn connect_info(stream: AcceptedStream<'_, L>) -> Self {
        *stream.remote_addr()
    }
}
