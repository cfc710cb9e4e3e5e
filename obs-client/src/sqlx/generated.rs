//! A stream that an async block generates.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_core::{Stream, future::BoxFuture};

/// The place of the next item.
struct Next<T>(Arc<Mutex<Option<T>>>);

impl<T> Next<T> {
    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Gives items to the stream.
pub(super) struct Items<T>(Next<T>);

impl<T> Items<T> {
    /// Gives an item, and waits until the stream is polled for the next one.
    pub(super) async fn give(&self, item: T) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(item);
        let mut is_given = false;
        // The stream returns the item now. Its next poll polls this again, so no waker is needed.
        poll_fn(|_| if std::mem::replace(&mut is_given, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }
}

/// The stream of the items that a future gives.
pub(super) struct Generated<'e, T> {
    next: Next<T>,
    future: Option<BoxFuture<'e, ()>>,
}

impl<'e, T> Generated<'e, T> {
    pub(super) fn new<F: Future<Output = ()> + Send + 'e>(make: impl FnOnce(Items<T>) -> F) -> Self {
        let next = Arc::new(Mutex::new(None));
        let future = Box::pin(make(Items(Next(Arc::clone(&next)))));
        Self { next: Next(next), future: Some(future) }
    }
}

impl<T> Stream for Generated<'_, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        let Some(future) = &mut this.future else { return Poll::Ready(None) };
        let ended = future.as_mut().poll(cx).is_ready();
        if ended {
            this.future = None;
        }
        match this.next.take() {
            Some(item) => Poll::Ready(Some(item)),
            None if ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}
