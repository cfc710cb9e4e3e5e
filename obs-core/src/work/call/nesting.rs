//! Calls inside of calls: the same call must not count twice.
//!
//! A thread-local variable describes the call whose future or closure runs on this thread. A call
//! that starts meanwhile in the same work compares itself with it:
//!
//! | around | inside | recorded |
//! |---|---|---|
//! | a call by hand | an observed call | the inner one, with the dependency of the outer one |
//! | an observed call | a call by hand | the outer one |
//! | an observed call | an observed call of the same host | the outer one |
//! | an observed call | an observed call of another host | both |

use std::{
    cell::Cell,
    hash::{Hash as _, Hasher as _},
    ptr,
    sync::Arc,
};

use rustc_hash::FxHasher;

use crate::record::{dependency::Dependency, state::WorkState};

/// The call that runs on this thread.
#[derive(Clone, Copy)]
pub(super) struct Nesting {
    /// The work in which the call was made, or null. It is only compared.
    work: *const WorkState,
    kind: NestingKind,
}

#[derive(Clone, Copy)]
enum NestingKind {
    NoCall,
    ByHand {
        dependency: Dependency,
        /// True once an observed call has started inside.
        replaced: bool,
    },
    Observed {
        host: u64,
    },
}

thread_local! {
    static AROUND: Cell<Nesting> =
        const { Cell::new(Nesting { work: ptr::null(), kind: NestingKind::NoCall }) };
}

fn address(work: Option<&Arc<WorkState>>) -> *const WorkState {
    work.map_or(ptr::null(), Arc::as_ptr)
}

/// A number for a host and its port. Different hosts have the same number only by accident.
pub(super) fn host_number(host: &str, port: Option<u16>) -> u64 {
    let mut hasher = FxHasher::default();
    (host, port).hash(&mut hasher);
    hasher.finish()
}

/// The decision about a call that starts.
pub(super) enum CallPlace {
    /// It is recorded.
    Own,
    /// It is recorded, and the call by hand around it is not. That one names the dependency.
    Replaces(Dependency),
    /// The call around it is recorded instead.
    Inside,
}

/// Decides about an observed call to this host.
pub(super) fn place_of_observed(work: Option<&Arc<WorkState>>, host: u64) -> CallPlace {
    let around = AROUND.get();
    if !ptr::eq(around.work, address(work)) {
        return CallPlace::Own;
    }
    match around.kind {
        NestingKind::ByHand { dependency, .. } => {
            let kind = NestingKind::ByHand { dependency, replaced: true };
            AROUND.set(Nesting { kind, ..around });
            CallPlace::Replaces(dependency)
        }
        NestingKind::Observed { host: outer } if outer == host => CallPlace::Inside,
        NestingKind::Observed { .. } | NestingKind::NoCall => CallPlace::Own,
    }
}

/// Returns true if an observed call is around a call by hand.
pub(super) fn is_observed(work: Option<&Arc<WorkState>>) -> bool {
    let around = AROUND.get();
    ptr::eq(around.work, address(work)) && matches!(around.kind, NestingKind::Observed { .. })
}

/// Runs `f` inside of an observed call to this host.
pub(super) fn inside_observed<T>(work: Option<&Arc<WorkState>>, host: u64, f: impl FnOnce() -> T) -> T {
    inside(Nesting { work: address(work), kind: NestingKind::Observed { host } }, f).0
}

/// Runs `f` inside of a call by hand. The second value is true if an observed call has replaced it.
pub(super) fn inside_by_hand<T>(
    work: Option<&Arc<WorkState>>,
    dependency: Dependency,
    f: impl FnOnce() -> T,
) -> (T, bool) {
    let kind = NestingKind::ByHand { dependency, replaced: false };
    let (value, after) = inside(Nesting { work: address(work), kind }, f);
    (value, matches!(after.kind, NestingKind::ByHand { replaced: true, .. }))
}

/// Runs `f` with this call around it. Also returns the description of the call afterwards.
fn inside<T>(nesting: Nesting, f: impl FnOnce() -> T) -> (T, Nesting) {
    struct RestoreAround(Nesting);
    impl Drop for RestoreAround {
        fn drop(&mut self) {
            AROUND.set(self.0);
        }
    }
    let _back = RestoreAround(AROUND.replace(nesting));
    let value = f();
    (value, AROUND.get())
}
