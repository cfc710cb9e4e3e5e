//! The response's body, which ends the call.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_http::{BoxedPayloadStream, Payload, ResponseHead, error::PayloadError, header};
use awc::ClientResponse;
use futures_core::Stream;
use obs_core::{
    adapter::CallObservation,
    output::{CallFailure, ErrorReport},
};

use super::head::{AwcHeaders, version};
use crate::failure::awc::failure_of_payload;

/// Reports the head of a response to its call.
pub(super) fn responded(call: &mut CallObservation, head: &ResponseHead) {
    call.responded(head.status.as_u16(), &AwcHeaders(&head.headers));
    if let Some(version) = version(head.version) {
        call.set_version(version);
    }
}

/// Reports the head of a response to its call, and moves the call into the body.
pub(super) fn respond(mut call: CallObservation, response: ClientResponse) -> ClientResponse {
    response.map_body(|head, payload| {
        responded(&mut call, head);
        if matches!(payload, Payload::None) {
            call.finish();
            return Payload::None;
        }
        let body = AwcBody { payload, call: Some(call), length: length(head), received: 0, is_read: false };
        Payload::Stream { payload: Box::pin(body) as BoxedPayloadStream }
    })
}

/// The length of the body, if the head states it.
fn length(head: &ResponseHead) -> Option<u64> {
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    head.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

struct AwcBody {
    payload: Payload,
    /// `None` after the end.
    call: Option<CallObservation>,
    length: Option<u64>,
    received: u64,
    is_read: bool,
}

impl AwcBody {
    fn is_complete(&self) -> bool {
        self.length == Some(self.received)
    }

    fn end(&mut self, failure: Option<(CallFailure, Option<ErrorReport>)>) {
        let Some(mut call) = self.call.take() else { return };
        if let Some((failure, error)) = failure {
            call.failed(failure, error);
        }
        call.finish();
    }
}

impl Stream for AwcBody {
    type Item = <BoxedPayloadStream as Stream>::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.is_read = true;
        let payload = Pin::new(&mut this.payload);
        let Some(call) = &mut this.call else { return payload.poll_next(cx) };
        let next: Option<Result<_, PayloadError>> = ready!(call.enter(|| payload.poll_next(cx)));
        match &next {
            Some(Ok(chunk)) => {
                call.received(chunk.len() as u64);
                this.received += chunk.len() as u64;
            }
            Some(Err(error)) => {
                this.end(Some((failure_of_payload(error), Some(ErrorReport::of(error)))));
            }
            // awc reports no error if the connection ends inside of an HTTP/1 body.
            None if this.length.is_some_and(|length| this.received < length) => {
                this.end(Some((CallFailure::Incomplete, None)));
            }
            None => this.end(None),
        }
        Poll::Ready(next)
    }
}

impl Drop for AwcBody {
    fn drop(&mut self) {
        // An application that does not read the body needs only the head.
        if self.is_complete() || !self.is_read {
            self.end(None);
        }
        if let Some(call) = &mut self.call {
            call.enter(|| self.payload = Payload::None);
        }
    }
}
