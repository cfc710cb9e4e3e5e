//! The share of requests with an exported span, independent of their callers.

#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    None,
    OnePercent,
    /// One percent, and nothing listens at the collector's address.
    Undelivered,
    All,
}

impl Share {
    /// Checks the number of spans for a number of requests.
    pub(super) fn check(self, requests: u64, spans: u64) {
        match self {
            Self::None | Self::Undelivered => assert_eq!(spans, 0, "a span was exported"),
            // Half of the traces have random ids.
            Self::OnePercent => assert!(
                (requests / 400..=requests / 25).contains(&spans),
                "{spans} spans are not about one percent of {requests}"
            ),
            Self::All => assert_eq!(spans, requests, "not every span was exported"),
        }
    }
}
