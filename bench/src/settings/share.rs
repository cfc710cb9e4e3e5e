//! Which requests have a span that is exported, whatever their callers say.

#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    None,
    OnePercent,
    All,
}

impl Share {
    /// So many requests have left so many spans.
    pub(super) fn check(self, requests: u64, spans: u64) {
        match self {
            Self::None => assert_eq!(spans, 0, "a span was exported"),
            // Half of the traces are new, and by chance.
            Self::OnePercent => assert!(
                (requests / 400..=requests / 25).contains(&spans),
                "{spans} spans are not about one percent of {requests}"
            ),
            Self::All => assert_eq!(spans, requests, "not every span was exported"),
        }
    }
}
