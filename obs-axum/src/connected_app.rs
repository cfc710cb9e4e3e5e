//! The application of one connection, with the information about this connection.

use std::{any::TypeId, future::poll_fn};

use axum::{
    body::Body,
    extract::{ConnectInfo, connect_info::Connected},
    serve::Listener,
};
use http::Request;
use hyper::body::Incoming;
use tower_service::Service;

use crate::{AcceptedStream, ObservedApp};

/// The application, with the information about one connection.
pub(crate) struct ConnectedApp<A, S, C> {
    addr: A,
    info: C,
    app: ObservedApp<S, C>,
}

impl<A, S, C> ConnectedApp<A, S, C>
where
    A: Clone + Send + Sync + 'static,
    S: Service<Request<Body>> + Clone,
    C: Clone + Send + Sync + 'static,
{
    pub(crate) fn new<L>(io: &L::Io, addr: A, app: ObservedApp<S, C>) -> Self
    where
        L: Listener<Addr = A>,
        C: for<'a> Connected<AcceptedStream<'a, L>>,
    {
        Self { info: C::connect_info(AcceptedStream::new(io, &addr)), addr, app }
    }

    /// Calls the application when it is ready.
    pub(crate) fn call(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<S::Response, S::Error>> + use<A, S, C> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.addr.clone()));
        if TypeId::of::<C>() != TypeId::of::<()>() {
            request.extensions_mut().insert(ConnectInfo(self.info.clone()));
        }
        let mut app = self.app.clone();
        async move {
            poll_fn(|cx| Service::<Request<Body>>::poll_ready(&mut app, cx)).await?;
            app.call(request).await
        }
    }
}
