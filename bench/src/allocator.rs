//! An allocator that counts allocations and, on request, live bytes.
//!
//! Allocations are counted for each thread. The thread that writes events works in batches and by
//! time, so its allocations would make the count of a request vary. Bytes are counted over all
//! threads, because one thread may free the memory of another.

// An allocator needs unsafe code. Every call is passed to the system's allocator, unchanged.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    // Constant and without a destructor, so reading it never allocates, even while a thread starts
    // or ends.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// `true` if a command measures bytes. It is off by default, because counting costs instructions
/// and makes threads wait for each other.
static COUNTS_BYTES: AtomicBool = AtomicBool::new(false);
/// The live bytes. The value may be below 0, because freed memory may have been allocated before
/// counting began.
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

/// The number of allocations of this thread so far. A reallocation counts as one, freeing memory
/// does not count.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// Starts to count the bytes that are allocated and freed.
pub(crate) fn count_bytes() {
    COUNTS_BYTES.store(true, Relaxed);
}

/// The bytes that any thread has allocated since counting began, without the freed ones.
pub(crate) fn live_bytes() -> i64 {
    LIVE.load(Relaxed)
}

/// Runs `work`. Also returns the largest increase of live bytes during it.
///
/// A growing vector counts only with its new size: the system moves the pages of large vectors and
/// does not copy them.
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
    fn only_allocations_of_this_thread_are_counted() {
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
        assert!(allocations() - before < 100, "allocations of the other thread are not counted");
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
        // Other tests allocate little at the same time.
        assert!((MUCH..MUCH + (1 << 20)).contains(&peak), "{peak}");
        assert!((live_bytes() - before - MUCH).abs() < 1 << 20);
        drop(kept);
        assert!((live_bytes() - before).abs() < 1 << 20);
    }
}
