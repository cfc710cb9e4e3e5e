//! The gRPC data of a request's record, added at its end.

use std::time::Duration;

use crate::{
    http::grpc::{GrpcCall, GrpcRequest, answer::GrpcAnswer, is_service, method, status::GrpcStatus},
    record::{enrichment::Enrichment, error::ErrorReport, outcome::Outcome, state::WorkState},
    request::in_flight::Progress,
};

impl WorkState {
    /// Returns the facts of the gRPC call, and its outcome.
    ///
    /// The gRPC message becomes the error, the gRPC method becomes the route, and more than one
    /// message makes it a stream.
    #[inline(never)]
    pub(crate) fn end_call(
        &self,
        request: &GrpcRequest,
        enrichment: &mut Enrichment,
        progress: &mut Progress,
        outcome: Outcome,
        duration: Duration,
    ) -> (GrpcCall, Outcome) {
        let left = matches!(outcome, Outcome::CancelledBeforeResponse | Outcome::CancelledInBody);
        let late = left && request.has_expired_after(duration);
        let outcome = if late { Outcome::DeadlineExceeded } else { outcome };
        let answer = progress.grpc.take().map(|answer| *answer);
        self.name_grpc_route(enrichment, answer.as_ref(), progress);
        progress.stream |= answer.as_ref().is_some_and(GrpcAnswer::is_stream);
        let call = self.grpc_call(enrichment, request, answer, outcome);
        progress.stream |= call.request_messages.is_some_and(|messages| messages > 1);
        (call, outcome)
    }

    /// Sets the method as the route, if the response shows that the service has this method.
    fn name_grpc_route(&self, enrichment: &mut Enrichment, answer: Option<&GrpcAnswer>, progress: &Progress) {
        let path = self.request().path();
        if enrichment.route_from_within || method(path).is_none() {
            return;
        }
        // A router may know only the service and not its methods. Such a route is replaced.
        let named = enrichment.route.as_ref().is_some_and(|route| !is_service(route.as_str()));
        match answer {
            Some(answer) if answer.is_unimplemented() => {
                if !named {
                    enrichment.route = None;
                }
            }
            Some(answer) if !answer.is_refusal() => enrichment.route = self.policy.routes.intern(path),
            // A layer before the service answered, and not with gRPC.
            None if progress.status.is_some() => {}
            // The method was called, but no response shows that it exists.
            _ => {
                if !named && let Some(route) = self.policy.routes.unverified(path) {
                    enrichment.route = Some(route);
                }
            }
        }
    }

    fn grpc_call(
        &self,
        enrichment: &mut Enrichment,
        request: &GrpcRequest,
        answer: Option<GrpcAnswer>,
        outcome: Outcome,
    ) -> GrpcCall {
        let answered = answer.is_some();
        let GrpcAnswer { status, messages, .. } = answer.unwrap_or_default();
        let (status, message) = status.unzip();
        if let Some(message) = message.flatten() {
            let report = ErrorReport::of_text(&message).redacted(self.redactor());
            enrichment.error.get_or_insert(report.into());
        }
        GrpcCall {
            // Clients read a response without a status as this status.
            status: status.or((answered && outcome == Outcome::Completed).then_some(GrpcStatus::Unknown)),
            request_messages: self.received.messages(),
            response_messages: messages.count(),
            timeout: request.timeout,
        }
    }
}
