//! A request that a test sends with any client, and its settings.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Method;
use tokio::sync::Notify;

/// A request and the settings of its client.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) url: String,
    pub(crate) method: Method,
    pub(crate) upload: Upload,
    pub(crate) http2: bool,
    pub(crate) connect_timeout: Option<Duration>,
    /// The time of the whole exchange. hyper-util applies it to the head only.
    pub(crate) timeout: Option<Duration>,
    pub(crate) proxy: Option<String>,
    /// The authority to trust, in PEM.
    pub(crate) authority: Option<String>,
    /// Waits for the test after the head, if it is set.
    pub(crate) at_head: Option<Arc<Notify>>,
    /// The header `x-own` and `authorization` of the request.
    pub(crate) own_headers: bool,
}

/// The body of a request.
#[derive(Clone, Debug)]
pub(crate) enum Upload {
    Whole(Bytes),
    /// Parts, of which the last may be an error.
    Parts(Vec<Result<&'static str, &'static str>>),
}

impl Exchange {
    pub(crate) fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: Method::GET,
            upload: Upload::Whole(Bytes::new()),
            http2: false,
            connect_timeout: None,
            timeout: None,
            proxy: None,
            authority: None,
            at_head: None,
            own_headers: false,
        }
    }

    pub(crate) fn post(url: impl Into<String>, upload: Upload) -> Self {
        Self { method: Method::POST, upload, ..Self::get(url) }
    }
}

/// The response as the application sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The last URL, if the client has it.
    pub(crate) url: Option<String>,
}
