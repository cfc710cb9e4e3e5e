//! The body of a response of our own: there already, or written while it is sent.

use std::{
    fmt, mem,
    task::{Context, Poll},
};

use bytes::Bytes;

/// A long body that is written piece by piece.
pub(crate) trait Pieces: Send {
    /// Writes the next piece. It may be empty before the end.
    fn next(&mut self) -> Bytes;

    /// Returns whether nothing more comes.
    fn has_ended(&self) -> bool;
}

/// The body of an [`Answer`](crate::adapter::Answer): some bytes, or a long page of metrics that is written while it is sent.
///
/// A page of ten thousand series has tens of megabytes. It is never there as a whole: each piece of about 64 KiB is written when it
/// is asked for, from numbers that were read when the scrape came. A client that reads slowly has it written slowly, and one that
/// leaves has nothing more written.
///
/// Servers take the pieces with [`poll_piece`](Self::poll_piece); who may take all the time that it needs, with
/// [`next_piece`](Self::next_piece), or [all at once](Self::into_bytes).
///
/// # Cancellation
/// Dropping it at any time is harmless.
///
/// ```
/// # let observer = obs_core::Observer::builder("shop").no_environment().build()?;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use obs_core::adapter::RequestHead;
/// let answer = observer.endpoint(&RequestHead::new("GET", "/metrics", &())).expect("an endpoint").await;
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
}

struct Written {
    /// The first piece, which shows whether there are more.
    first: Bytes,
    pieces: Box<dyn Pieces>,
    /// A piece was written since others had the thread.
    others_wait: bool,
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl Written {
    /// The next piece, or nothing of it yet; `None` at the end.
    fn step(&mut self) -> Option<Bytes> {
        if self.first.is_empty() {
            (!self.pieces.has_ended()).then(|| self.pieces.next())
        } else {
            Some(mem::take(&mut self.first))
        }
    }
}

impl AnswerBody {
    /// A page of one piece is not different from other answers.
    pub(crate) fn written(mut pieces: impl Pieces + 'static) -> Self {
        let first = pieces.next();
        if pieces.has_ended() {
            return first.into();
        }
        Self(Body::Written(Box::new(Written { first, pieces: Box::new(pieces), others_wait: false })))
    }

    /// How many bytes are still to come; `None` if that is not known because they have to be written first.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        match &self.0 {
            Body::Whole(bytes) => Some(bytes.len() as u64),
            Body::Written(_) => None,
        }
    }

    /// Whether nothing more comes.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match &self.0 {
            Body::Whole(bytes) => bytes.is_empty(),
            Body::Written(written) => written.first.is_empty() && written.pieces.has_ended(),
        }
    }

    /// The next piece, never an empty one; `None` at the end. If it has to be written first, that is done on this thread.
    pub fn next_piece(&mut self) -> Option<Bytes> {
        match &mut self.0 {
            Body::Whole(bytes) => Some(mem::take(bytes)).filter(|bytes| !bytes.is_empty()),
            Body::Written(written) => loop {
                let piece = written.step()?;
                if !piece.is_empty() {
                    return Some(piece);
                }
            },
        }
    }

    /// The same for servers, whose other work goes on meanwhile.
    ///
    /// To write a piece takes a few tenths of a millisecond. After each the task is woken at once, but polled again only when others
    /// have had their turn: a server asks on as long as the client takes what it sends.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Body::Written(written) = &mut self.0 else { return Poll::Ready(self.next_piece()) };
        if mem::take(&mut written.others_wait) {
            return let_others_run(cx);
        }
        match written.step() {
            Some(piece) if piece.is_empty() => let_others_run(cx),
            piece => {
                written.others_wait = !written.pieces.has_ended();
                Poll::Ready(piece)
            }
        }
    }

    /// All that is still to come, written on this thread.
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

/// A runtime that knows only wakers runs a task that wakes itself many times before it looks at its sockets again. tokio has a way to
/// ask it to look first.
fn let_others_run(cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
    #[cfg(feature = "tokio")]
    {
        // Polled for the first time, it sees to it that the task is woken, and is never ready.
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

#[cfg(all(test, not(obs_loom)))]
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
                        assert!(!piece.is_empty(), "actix would take it for the end");
                        read.push(piece);
                    }
                    Poll::Pending => waited += 1,
                }
                polled += 1;
                assert_eq!(woken.0.load(Ordering::SeqCst), waited, "whoever waits is woken");
                assert!(read.len() <= waited + 1, "never two pieces at once");
            }
            assert!(body.has_ended() && read.len() > 2 && polled > read.len());
            assert!(read.concat() == page(&observer, headers).into_bytes());
        }
    }

    #[test]
    fn a_short_page_has_a_size() {
        let body = page(&observer(1), &());
        let size = body.size().expect("it is there");
        assert_eq!(body.into_bytes().len() as u64, size);
    }
}
