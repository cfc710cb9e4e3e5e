//! The tests that run every case on every stack. A test has a name such as
//! `axum_h2::panics::in_call`.

/// Defines all cases as tests for one stack, in a module for each group.
macro_rules! cases {
    ($framework:ident, $http2:literal) => {
        cases! { $framework, $http2,
            responses: plain empty head head_of_a_stream no_content not_modified unmatched method_not_allowed
                unknown_method client_error handler_error handler_error_kind extractor_rejection early_answer nested_route;
            bodies: chunked sized_stream too_short trailers server_sent_events websocket connect body_error huge_frame
                unread_request_body;
            panics: in_call before_an_await after_an_await grpc resumed in_body in_drop in_body_drop;
            leaving: before_the_head between_small_frames in_one_huge_frame outer_timeout inner_timeout;
            many: a_thousand_on_one_connection a_hundred_at_once;
            metrics: scrapes_share_a_page scrapers_that_leave a_collector_that_panics;
            layers: service_error installed_twice two_observers sink_that_panics endpoints own_health late_write;
            exposition: negotiated compressed chosen unread_by_head users_metrics sizes opentelemetry exemplars plain
                excluded declared;
            long_pages: whole to_an_old_client unread;
            health: says_which_and_since_when hanging late one_run_for_all left_alone panicking starting;
            ids: generated inbound_kept inbound_invalid inbound_untrusted several_names own_generator
                always_returned;
            trace: continued begun repeated linked told_to_the_caller passed_on formats;
            spans: every_ending what_the_client_says proxied left continued linked passed_on not_sampled endpoints
                two_observers;
            secrets: nothing_leaves;
            shutdown: waits_for_requests aborts_the_rest closes_idle_connections;
        }
    };
    ($framework:ident, $http2:literal, $($group:ident: $($case:ident)*;)*) => {
        $(mod $group {
            use obs_tests::{cases::$group, stacks::{Framework, Stack}};
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $group::$case(Stack { framework: Framework::$framework, http2: $http2 }).await;
            })*
        })*
    };
}

mod axum_h1 {
    cases!(Axum, false);
}
mod axum_h2 {
    cases!(Axum, true);
}
mod tower_h1 {
    cases!(Tower, false);
}
mod tower_h2 {
    cases!(Tower, true);
}
mod actix_h1 {
    cases!(Actix, false);
}
mod actix_h2 {
    cases!(Actix, true);
}
mod tiny_h1 {
    cases!(Tiny, false);
}

/// Defines the cases of gRPC, which have their own service.
macro_rules! grpc_cases {
    ($framework:ident) => {
        cases! { $framework, true,
            grpc: unary refused_by_the_method failed streamed_by_the_client streamed_by_the_server
                streamed_both_ways broken broken_early panicked panicked_within unknown_method unknown_service
                a_thousand_unknown a_thousand_refused cancelled left_within deadline deadline_of_the_client
                deadline_within continued opentelemetry;
        }
    };
}

mod tonic {
    grpc_cases!(Tonic);
}
mod tonic_on_axum {
    grpc_cases!(TonicOnAxum);
}
