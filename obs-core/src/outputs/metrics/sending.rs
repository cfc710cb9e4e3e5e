//! The long pages that are being sent: how many there are at once, and which of them ends early.
//!
//! A page that a client reads slowly keeps a snapshot of all series in memory. So only a few long
//! pages are sent at a time. If all of them are being sent, a new scrape takes the place of the
//! page that made no progress for the longest time. If all make progress, the new scrape is
//! rejected.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::http::answer_body::Pieces;

/// The maximum number of long pages that are sent at the same time.
const PAGES: usize = 8;

/// The time without progress after which another scrape may take the place of a page.
const STALLED: Duration = Duration::from_secs(1);

/// The end of a page that was ended early. It is valid in no format, so a scraper that reads so far
/// reports an error, and does not take a part of the metrics for all of them.
const ENDED_EARLY: &[u8] = b"\nobs: this page was read too slowly, so it ends here\n";

/// All long pages that are being sent.
pub(super) struct PagesBeingSent {
    pages: Mutex<Vec<Arc<PageBeingSent>>>,
    /// The longest time for which a page may be sent.
    timeout: Duration,
}

struct PageBeingSent {
    started: Instant,
    state: Mutex<PageState>,
}

struct PageState {
    /// `None` if the page has ended early.
    pieces: Option<Box<dyn Pieces>>,
    /// The last time at which the server asked for a piece.
    progress: Instant,
}

impl PagesBeingSent {
    pub(super) const fn new(timeout: Duration) -> Self {
        Self { pages: Mutex::new(Vec::new()), timeout }
    }

    /// Returns true if so many pages are being sent that scrapes should share snapshots.
    pub(super) fn are_many(&self) -> bool {
        lock(&self.pages).len() >= PAGES / 2
    }

    /// Starts to send a page; `None` if too many pages are being sent.
    pub(super) fn start(self: &Arc<Self>, pieces: Box<dyn Pieces>, now: Instant) -> Option<SlotOfPage> {
        let mut pages = lock(&self.pages);
        pages.retain(|page| !page.exceeds(self.timeout, now));
        if pages.len() >= PAGES {
            let (place, progress) = pages
                .iter()
                .enumerate()
                .map(|(n, page)| (n, lock(&page.state).progress))
                .min_by_key(|p| p.1)?;
            if now.saturating_duration_since(progress) < STALLED {
                return None;
            }
            lock(&pages.swap_remove(place).state).pieces = None;
        }
        let state = Mutex::new(PageState { pieces: Some(pieces), progress: now });
        let page = Arc::new(PageBeingSent { started: now, state });
        pages.push(Arc::clone(&page));
        drop(pages);
        Some(SlotOfPage { pages: Arc::clone(self), page, ended: false })
    }
}

impl PageBeingSent {
    /// Ends the page early if it has taken too long.
    fn exceeds(&self, timeout: Duration, now: Instant) -> bool {
        let exceeds = now.saturating_duration_since(self.started) >= timeout;
        if exceeds {
            lock(&self.state).pieces = None;
        }
        exceeds
    }
}

/// A page in its place among the pages that are being sent. It leaves the place when it is dropped.
pub(super) struct SlotOfPage {
    pages: Arc<PagesBeingSent>,
    page: Arc<PageBeingSent>,
    ended: bool,
}

impl Pieces for SlotOfPage {
    fn next(&mut self) -> Bytes {
        let now = Instant::now();
        self.page.exceeds(self.pages.timeout, now);
        let mut state = lock(&self.page.state);
        state.progress = now;
        let Some(pieces) = &mut state.pieces else {
            self.ended = true;
            return Bytes::from_static(ENDED_EARLY);
        };
        let piece = pieces.next();
        self.ended = pieces.has_ended();
        piece
    }

    fn has_ended(&self) -> bool {
        self.ended
    }

    fn failure(&self) -> Option<&'static str> {
        let early = self.ended && lock(&self.page.state).pieces.is_none();
        early.then_some("the client reads the page too slowly")
    }
}

impl Drop for SlotOfPage {
    fn drop(&mut self) {
        lock(&self.pages.pages).retain(|page| !Arc::ptr_eq(page, &self.page));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of a given number of pieces.
    struct Numbered(usize);
    impl Pieces for Numbered {
        fn next(&mut self) -> Bytes {
            self.0 -= 1;
            Bytes::from_static(b"piece\n")
        }
        fn has_ended(&self) -> bool {
            self.0 == 0
        }
    }

    fn sent() -> Arc<PagesBeingSent> {
        Arc::new(PagesBeingSent::new(60 * STALLED))
    }

    #[test]
    fn a_scrape_takes_the_place_of_the_page_that_stalls_for_longest() {
        let (sent, now) = (sent(), Instant::now());
        let start = |time| sent.start(Box::new(Numbered(3)), time);
        let mut pages: Vec<_> = (0..PAGES).map(|_| start(now).expect("a place")).collect();
        assert!(start(now).is_none(), "all make progress");
        assert!(sent.are_many());
        // All but one make progress.
        let stalled = pages.remove(3);
        let progress = Instant::now() + STALLED;
        pages.iter().for_each(|page| lock(&page.page.state).progress = progress);
        let real = start(now + STALLED).expect("the place of the stalled page");
        assert!(start(now + STALLED).is_none(), "the others make progress");
        let mut stalled = stalled;
        assert_eq!(stalled.next(), ENDED_EARLY);
        assert!(stalled.has_ended() && stalled.failure().is_some());
        for mut page in pages.into_iter().chain([real]) {
            (0..3).for_each(|_| assert_eq!(page.next(), "piece\n"));
            assert!(page.has_ended() && page.failure().is_none());
        }
        drop(stalled);
        assert!(lock(&sent.pages).is_empty(), "each page leaves its place");
    }

    #[test]
    fn a_page_that_takes_too_long_ends() {
        let (sent, now) = (sent(), Instant::now());
        let mut page = sent.start(Box::new(Numbered(3)), now - 60 * STALLED).expect("a place");
        assert!(page.next().starts_with(b"\nobs: "));
        assert!(page.failure().is_some());
        // Another scrape ends a page whose client does not read.
        let unread = sent.start(Box::new(Numbered(3)), now).expect("a place");
        let _other = sent.start(Box::new(Numbered(3)), now + 60 * STALLED).expect("a place");
        assert!(lock(&unread.page.state).pieces.is_none());
    }
}
