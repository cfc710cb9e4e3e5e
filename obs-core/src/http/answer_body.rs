//! The body of our own responses: complete from the start, or written while it is sent.

use std::{
    fmt, mem,
    task::{Context, Poll},
};

use bytes::Bytes;

/// A long body that is written in pieces.
pub(crate) trait Pieces: Send {
    /// Writes the next piece. A piece before the end may be empty.
    fn next(&mut self) -> Bytes;

    /// Returns `true` if there are no more pieces.
    fn has_ended(&self) -> bool;

    /// Returns the reason for which the body ended early.
    fn failure(&self) -> Option<&'static str> {
        None
    }
}

/// The body of an [`Answer`](crate::adapter::Answer): some bytes, or a long page of metrics that is
/// written while it is sent.
///
/// A page with ten thousand series has tens of megabytes, and is never in memory as a whole. Each
/// piece of about 64 KiB is written on demand, from values that were read when the scrape arrived.
/// If the client reads slowly, the pieces are written slowly. If it disconnects, no more pieces are
/// written.
///
/// Servers get the pieces with [`poll_piece`](Self::poll_piece). Callers that may block use
/// [`next_piece`](Self::next_piece) or [`into_bytes`](Self::into_bytes).
///
/// # Cancellation
/// Dropping it at any time is harmless.
///
/// ```
/// # let observer = obs_core::Observer::builder("shop").no_environment().build()?;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use obs_core::adapter::RequestHead;
/// let head = RequestHead::new("GET", "/metrics", &());
/// let answer = observer.endpoint(&head).expect("an endpoint").await;
/// let (mut body, mut bytes) = (answer.into_body(), 0);
/// while let Some(piece) = body.next_piece() {
///     bytes += piece.len();
/// }
/// assert!(bytes > 0);
/// # });
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Default)]
pub struct AnswerBody(Body);

enum Body {
    Whole(Bytes),
    Written(Box<Written>),
    /// The body of an answer to HEAD, with the size that the body for GET has, if it is known.
    Omitted(Option<u64>),
}

struct Written {
    /// The first piece, which is written early to know if there are more.
    first: Bytes,
    pieces: Box<dyn Pieces>,
    /// `true` if a piece was written and other tasks have not run since then.
    others_wait: bool,
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl Written {
    /// Returns the next piece, which may be empty; `None` at the end.
    fn step(&mut self) -> Option<Bytes> {
        if self.first.is_empty() {
            (!self.pieces.has_ended()).then(|| self.pieces.next())
        } else {
            Some(mem::take(&mut self.first))
        }
    }
}

impl AnswerBody {
    /// Creates a body that is written in pieces, after a first piece.
    pub(crate) fn written(first: Bytes, pieces: impl Pieces + 'static) -> Self {
        Self(Body::Written(Box::new(Written { first, pieces: Box::new(pieces), others_wait: false })))
    }

    /// Returns this body for an answer to HEAD: it has no bytes, and declares its size.
    pub(crate) fn omitted(self) -> Self {
        Self(Body::Omitted(self.size()))
    }

    /// Creates the body of an answer to HEAD whose body for GET would be written in pieces.
    pub(crate) const fn omitted_page() -> Self {
        Self(Body::Omitted(None))
    }

    /// Returns `true` if this is the body of an answer to HEAD. Such a body has already ended. Its
    /// [`size`](Self::size) is only for `Content-Length` (RFC 9110 §8.6).
    #[must_use]
    pub const fn is_omitted(&self) -> bool {
        matches!(self.0, Body::Omitted(_))
    }

    /// The number of remaining bytes, for `Content-Length`; `None` if it is unknown because they
    /// are not written yet. In an answer to HEAD, it is the size that the body for GET has.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        match &self.0 {
            Body::Whole(bytes) => Some(bytes.len() as u64),
            Body::Written(_) => None,
            Body::Omitted(size) => *size,
        }
    }

    /// Returns `true` if no more bytes follow.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match &self.0 {
            Body::Whole(bytes) => bytes.is_empty(),
            Body::Written(written) => written.first.is_empty() && written.pieces.has_ended(),
            Body::Omitted(_) => true,
        }
    }

    /// Returns the reason if the body has ended early; otherwise `None`.
    ///
    /// If the body has ended early, its last piece makes the page invalid, so that the client
    /// rejects it. The adapter reports the reason to the observation.
    #[must_use]
    pub fn failure(&self) -> Option<&'static str> {
        match &self.0 {
            Body::Written(written) => written.pieces.failure(),
            Body::Whole(_) | Body::Omitted(_) => None,
        }
    }

    /// Returns the next piece, which is never empty; `None` at the end. If the piece is not written
    /// yet, this thread writes it.
    pub fn next_piece(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Body::Whole(bytes) => Some(mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Body::Written(written) => loop {
                let piece = written.step()?;
                if !piece.is_empty() {
                    return Some(piece);
                }
            },
            Body::Omitted(_) => None,
        }
    }

    /// Returns the next piece, as [`next_piece`](Self::next_piece) does, but lets other tasks of a
    /// server run.
    ///
    /// Writing a piece takes a few tenths of a millisecond. After each piece, this method returns
    /// `Pending` once and schedules the task again, so that other tasks run in between. Without
    /// this, a server would write pieces for as long as the client accepts them.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Body::Written(written) = &mut self.0 else { return Poll::Ready(self.next_piece()) };
        if mem::take(&mut written.others_wait) {
            return yield_to_others(cx);
        }
        match written.step() {
            Some(piece) if piece.is_empty() => yield_to_others(cx),
            piece => {
                written.others_wait = !written.pieces.has_ended();
                Poll::Ready(piece)
            }
        }
    }

    /// Returns all remaining bytes. This thread writes those that are not written yet.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if let Body::Whole(bytes) = self.0 {
            return bytes;
        }
        let mut all = Vec::new();
        while let Some(piece) = self.next_piece() {
            all.extend_from_slice(&piece);
        }
        all.into()
    }
}

/// Returns `Pending` and schedules the task again, after other tasks.
///
/// If a task only wakes itself through its waker, a runtime runs it many times before it checks its
/// sockets again. tokio can be asked to check them first.
fn yield_to_others(cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
    #[cfg(feature = "tokio")]
    {
        // The first poll schedules the task again, and is always pending.
        let _ = std::future::Future::poll(std::pin::pin!(tokio::task::yield_now()), cx);
    }
    #[cfg(not(feature = "tokio"))]
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl<B: Into<Bytes>> From<B> for AnswerBody {
    fn from(bytes: B) -> Self {
        Self(Body::Whole(bytes.into()))
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").field("size", &self.size()).finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Wake, Waker},
    };

    use super::*;
    use crate::{
        http::{head::RequestHead, headers::HeaderLookup},
        observer::Observer,
    };

    struct Woken(AtomicUsize);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct Gzip;
    impl HeaderLookup for Gzip {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            if name == "accept-encoding" {
                f(b"gzip");
            }
        }
    }

    fn page(observer: &Observer, headers: &dyn HeaderLookup) -> AnswerBody {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let answer = observer.endpoint(&RequestHead::new("GET", "/metrics", headers));
        runtime.block_on(answer.expect("an endpoint")).into_body()
    }

    fn observer(routes: u32) -> Observer {
        let observer = Observer::builder("test").no_environment().build().expect("valid");
        (0..routes).for_each(|route| _ = observer.route("GET", &format!("/route/{route}")));
        observer
    }

    #[test]
    fn others_run_after_each_piece() {
        let observer = observer(500);
        for headers in [&() as &dyn HeaderLookup, &Gzip] {
            let mut body = page(&observer, headers);
            assert!(body.size().is_none() && !body.has_ended());
            let woken = Arc::new(Woken(AtomicUsize::new(0)));
            let waker = Waker::from(Arc::clone(&woken));
            let (mut polled, mut waited, mut read) = (0, 0, Vec::new());
            loop {
                match body.poll_piece(&mut Context::from_waker(&waker)) {
                    Poll::Ready(None) => break,
                    Poll::Ready(Some(piece)) => {
                        assert!(!piece.is_empty(), "actix treats an empty piece as the end");
                        read.push(piece);
                    }
                    Poll::Pending => waited += 1,
                }
                polled += 1;
                assert_eq!(woken.0.load(Ordering::SeqCst), waited, "a pending task is woken");
                assert!(read.len() <= waited + 1, "never two pieces at once");
            }
            assert!(body.has_ended() && read.len() > 2 && polled > read.len());
            assert!(read.concat() == page(&observer, headers).into_bytes());
        }
    }

    #[test]
    fn a_short_page_has_a_size() {
        let body = page(&observer(1), &());
        let size = body.size().expect("it is known");
        assert_eq!(body.into_bytes().len() as u64, size);
    }
}
