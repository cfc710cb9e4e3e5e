//! Counts allocations, and on demand the bytes that are live.
//!
//! Allocations are counted for each thread, so that those of the thread that writes events are not taken for
//! those of a request: that thread works in batches, when its clock says so, and would make the count vary. Bytes are counted over all threads: what
//! a request leaves behind may be freed by another.

// An allocator cannot be written without it. Every call goes on to the system's, unchanged.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    // Constant and without a destructor: reading it never allocates, at no time of a thread's life.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Off unless a command asks for it: it would cost instructions, and have threads wait for each other's numbers.
static COUNTS_BYTES: AtomicBool = AtomicBool::new(false);
/// What was freed may have been allocated before counting began, so this may be less than 0.
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

/// How often this thread has allocated so far. A reallocation counts as one, memory that is freed does not.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Counts the bytes that are allocated and freed from now on.
pub(crate) fn count_bytes() {
    COUNTS_BYTES.store(true, Relaxed);
}

/// Bytes that were allocated since counting began and are not freed, by any thread.
pub(crate) fn live_bytes() -> i64 {
    LIVE.load(Relaxed)
}

/// Runs `work`, and says how many more bytes than before were live at most meanwhile.
///
/// A vector that grows counts with its new size alone: large ones are moved by their pages, not copied.
pub(crate) fn peak_bytes<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let before = live_bytes();
    PEAK.store(before, Relaxed);
    let result = work();
    (result, PEAK.load(Relaxed) - before)
}

struct Counting;

impl Counting {
    fn count(bytes: usize, freed: usize) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        Self::count_live(bytes, freed);
    }

    fn count_live(bytes: usize, freed: usize) {
        if COUNTS_BYTES.load(Relaxed) {
            let change = bytes as i64 - freed as i64;
            let live = LIVE.fetch_add(change, Relaxed) + change;
            PEAK.fetch_max(live, Relaxed);
        }
    }
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(size, layout.size());
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Self::count_live(0, layout.size());
        unsafe { System.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, thread};

    use super::{allocations, count_bytes, live_bytes, peak_bytes};

    #[test]
    fn only_the_own_thread_counts() {
        let before = allocations();
        drop(black_box(Box::new(1)));
        assert_eq!(allocations() - before, 1);
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let before = allocations();
                let many: Vec<_> = (0..100).map(|n| black_box(Box::new(n))).collect();
                (many.len(), allocations() - before)
            });
            assert_eq!(other.join().expect("no panic"), (100, 101));
        });
        assert!(allocations() - before < 100, "those of the other thread");
    }

    #[test]
    fn bytes_of_all_threads_are_counted() {
        const MUCH: i64 = 100 << 20;
        count_bytes();
        let before = live_bytes();
        let memory = || black_box(Vec::<u8>::with_capacity(MUCH as usize));
        let (kept, peak) = peak_bytes(|| {
            drop(memory());
            thread::spawn(memory).join().expect("no panic")
        });
        // Other tests allocate little beside it.
        assert!((MUCH..MUCH + (1 << 20)).contains(&peak), "{peak}");
        assert!((live_bytes() - before - MUCH).abs() < 1 << 20);
        drop(kept);
        assert!((live_bytes() - before).abs() < 1 << 20);
    }
}
