//! Counts the allocations of each thread.
//!
//! The counter is a thread-local, so that the allocations of the thread that writes events are not taken for
//! those of a request: that thread works in batches, when its clock says so, and would make the count vary.

// An allocator cannot be written without it. Every call goes on to the system's, unchanged.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    // Constant and without a destructor: reading it never allocates, at no time of a thread's life.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has allocated so far. A reallocation counts as one, memory that is freed does not.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.get()
}

struct Counting;

impl Counting {
    fn count() {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    }
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

#[cfg(test)]
mod tests {
    use std::{hint::black_box, thread};

    use super::allocations;

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
}
