//! Models of the data that threads of the core share. loom checks them in every order of the
//! threads' steps.
//!
//! The modules of the core are compiled here as they are. `base::sync` and `base::thread` are
//! replaced: loom decides which thread runs next, and a model chooses the numbers of its threads.
//! `tests/models.rs` runs the models.

// The modules of the core have tests and examples of their own, which need the real primitives.
#![cfg(not(any(test, doctest)))]
#![allow(dead_code, unreachable_pub, clippy::missing_panics_doc, missing_docs)]

mod base {
    #[path = "../../../../obs-core/src/base/counter.rs"]
    pub(crate) mod counter;
    #[path = "../../../../obs-core/src/base/sharded.rs"]
    pub(crate) mod sharded;
    pub(crate) mod sync;
    pub(crate) mod thread;
}

mod trace {
    /// Stand-ins for the ids, without their formats.
    pub(crate) mod ids {
        #[derive(Clone, Copy, Debug)]
        pub struct TraceId;
        #[derive(Clone, Copy, Debug)]
        pub struct SpanId;
    }
}

mod delivery {
    #[path = "../../../../obs-core/src/outputs/delivery/batch.rs"]
    pub(crate) mod batch;
    #[path = "../../../../obs-core/src/outputs/delivery/items.rs"]
    pub(crate) mod items;
    #[path = "../../../../obs-core/src/outputs/delivery/lines.rs"]
    pub(crate) mod lines;
    #[path = "../../../../obs-core/src/outputs/delivery/memory.rs"]
    mod memory;
    pub mod model;
    #[path = "../../../../obs-core/src/outputs/delivery/queue/mod.rs"]
    pub(crate) mod queue;
    #[path = "../../../../obs-core/src/outputs/delivery/store.rs"]
    pub(crate) mod store;
    #[path = "../../../../obs-core/src/outputs/delivery/test_counts.rs"]
    mod test_counts;
}

mod metrics {
    #[path = "../../../../obs-core/src/outputs/metrics/histogram.rs"]
    pub(crate) mod histogram;
    pub mod model;
}

pub use delivery::model as queue;
pub use metrics::model as histograms;
