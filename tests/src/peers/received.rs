//! The requests that a peer received.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method, Uri, Version, request::Parts};

/// A received request.
#[derive(Clone, Debug)]
pub struct ReceivedRequest {
    pub method: Method,
    /// The target as it was sent. Over HTTP/2 it has the scheme and the authority.
    pub target: Uri,
    pub version: Version,
    pub headers: HeaderMap,
    /// The bytes of the body so far.
    pub body: Vec<u8>,
    /// `true` if the body is complete.
    pub complete: bool,
    /// The number of the connection, from 0.
    pub connection: usize,
}

impl ReceivedRequest {
    /// The text of a header. A header that comes more than once is a failure of the test.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().expect("text"));
        assert!(values.next().is_none(), "{name} comes once: {:?}", self.headers);
        value
    }
}

/// The list that a peer and its test share.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<ReceivedRequest>>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<ReceivedRequest>> {
        // If the peer has panicked, its drop reports that.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request, and returns its number, from 0.
    pub(super) fn add(&self, head: &Parts, connection: usize) -> usize {
        let mut requests = self.lock();
        requests.push(ReceivedRequest {
            method: head.method.clone(),
            target: head.uri.clone(),
            version: head.version,
            headers: head.headers.clone(),
            body: Vec::new(),
            complete: false,
            connection,
        });
        requests.len() - 1
    }

    pub(super) fn add_bytes(&self, number: usize, bytes: &[u8]) {
        self.lock()[number].body.extend_from_slice(bytes);
    }

    pub(super) fn complete(&self, number: usize) {
        self.lock()[number].complete = true;
    }

    pub(super) fn all(&self) -> Vec<ReceivedRequest> {
        self.lock().clone()
    }
}
