//! The row of an output in the report of a shutdown.

/// The counts of one output: see [`ShutdownReport::outputs`](crate::ShutdownReport::outputs).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputReport {
    /// The name of the output: `events`, `logs`, `spans`, or the name of an extension.
    pub name: String,
    /// The delivered and the lost entries since the start.
    pub counts: OutputCounts,
}

/// The counts of an output at one moment: see [`Setup::report`](crate::output::Setup::report).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputCounts {
    /// The number of entries that were delivered since the start.
    pub delivered: u64,
    /// The number of entries that were lost since the start.
    pub lost: u64,
}
