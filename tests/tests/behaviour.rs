//! The tests that run every case on every stack. A test has a name such as
//! `axum_h2::panics::in_call`.

/// A capability that a stack has. A stack imports `yes` or `no` under the name of each capability.
macro_rules! yes {
    ($test:item) => {
        $test
    };
}

/// A capability that a stack does not have: the cases that need it are not generated.
macro_rules! no {
    ($test:item) => {};
}

use {no, yes};

/// The test of a case, and the capability that it needs.
macro_rules! case {
    ([] $test:item) => {
        $test
    };
    ([$capability:ident] $test:item) => {
        $capability! { $test }
    };
}

/// Defines all cases as tests for one stack, in a module for each group. A case names the
/// capability that it needs in parentheses:
///
/// * `http1`: the client speaks HTTP/1.
/// * `extended_connect`: the server takes CONNECT for WebSockets over HTTP/2. actix-web does not.
/// * `router`: the framework knows routes, and has extractors.
/// * `stalls`: the server closes connections whose client does not read.
/// * `mounts`: the framework has services that take all paths below a mount point.
/// * `trailers`: the framework sends trailers.
/// * `cancels`: the framework drops the handler when the client disconnects.
/// * `announces`: the server announces the end of a connection before it accepts no more requests.
///   For HTTP/2, actix-web and the example of a server under hyper do not.
/// * `lingers`: the server gives a connection without a request a second after the delay. Only the
///   server of axum does.
/// * `goaway`: the server ends connections with GOAWAY, or speaks HTTP/1. actix-web does not.
macro_rules! cases {
    ($framework:ident, $http2:literal) => {
        cases! { $framework, $http2,
            responses: plain empty head head_of_a_stream no_content not_modified unmatched method_not_allowed
                unknown_method client_error handler_error handler_error_kind extractor_rejection(router)
                early_answer nested_route;
            bodies: chunked sized_stream too_short trailers(trailers) server_sent_events websocket(http1)
                connect(extended_connect) body_error huge_frame unread(stalls) unread_request_body;
            panics: in_call before_an_await after_an_await claimed_as_grpc head resumed
                own_answer own_answer_that_panics own_answer_without_secrets in_body in_drop(cancels)
                in_body_drop;
            disconnects: before_the_head between_small_frames in_one_huge_frame outer_timeout inner_timeout
                unfinished_requests_are_named;
            many: a_thousand_on_one_connection a_hundred_at_once;
            metrics: scrapes_share_a_page scrapers_that_disconnect a_collector_that_panics;
            layers: service_error installed_twice two_observers sink_that_panics endpoints own_health(router) shared_path(router)
                late_write;
            exposition: negotiated compressed filtered_by_name empty head_has_no_body users_metrics sizes
                opentelemetry_naming exemplars without_exemplars_and_created excluded_routes
                own_labels declared_routes;
            routes: excluded_statuses grouped mounted(mounts) excluded_from_all_outputs;
            hooks: at_the_start that_panic classify_errors;
            long_pages: complete to_a_client_of_http_1_0(http1) unread slow_readers;
            health: names_the_failing_check hanging too_late one_run_for_all
                independent_of_liveness_and_disconnects panicking blocking
                not_ready_while_starting_or_draining;
            ids: generated inbound_kept inbound_invalid inbound_untrusted several_names own_generator
                generated_from_the_head request_unchanged in_the_request of_the_response always_returned;
            trace: continued started repeated linked returned_to_the_caller propagated formats;
            spans: every_ending unknown_method_and_untrusted_headers proxied disconnected continued
                linked propagated not_sampled sampled_with_events endpoints two_observers;
            secrets: no_output_has_a_secret standard_error_has_no_secret;
            shutdown: waits_for_requests aborts_requests_after_the_timeout closes_idle_connections
                announces_the_end(announces) loses_no_request(goaway)
                answers_a_first_request_after_the_delay(lingers);
        }
    };
    ($framework:ident, $http2:literal, $($group:ident: $($case:ident $(($capability:ident))?)*;)*) => {
        $(mod $group {
            #[allow(unused_imports)]
            use super::*;
            use obs_tests::{cases::$group, stacks::{Framework, Stack}};
            $(case! {
                [$($capability)?]
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    $group::$case(Stack { framework: Framework::$framework, http2: $http2 }).await;
                }
            })*
        })*
    };
}

mod axum_h1 {
    use crate::{
        no as extended_connect, yes as mounts, yes as announces, yes as cancels, yes as goaway, yes as http1,
        yes as lingers, yes as router, yes as stalls, yes as trailers,
    };
    cases!(Axum, false);
}
mod axum_h2 {
    use crate::{
        no as http1, no as stalls, yes as mounts, yes as announces, yes as cancels, yes as extended_connect,
        yes as goaway, yes as lingers, yes as router, yes as trailers,
    };
    cases!(Axum, true);
}
mod tower_h1 {
    use crate::{
        no as mounts, no as extended_connect, no as lingers, no as router, no as stalls, yes as announces,
        yes as cancels, yes as goaway, yes as http1, yes as trailers,
    };
    cases!(Tower, false);
}
mod tower_h2 {
    use crate::{
        no as mounts, no as announces, no as http1, no as lingers, no as router, no as stalls,
        yes as cancels, yes as extended_connect, yes as goaway, yes as trailers,
    };
    cases!(Tower, true);
}
mod actix_h1 {
    use crate::{
        no as cancels, no as extended_connect, no as lingers, no as trailers, yes as mounts,
        yes as announces, yes as goaway, yes as http1, yes as router, yes as stalls,
    };
    cases!(Actix, false);
}
mod actix_h2 {
    use crate::{
        no as announces, no as cancels, no as extended_connect, no as goaway, no as http1, no as lingers,
        no as stalls, no as trailers, yes as mounts, yes as router,
    };
    cases!(Actix, true);
}
mod tiny_h1 {
    use crate::{
        no as mounts, no as extended_connect, no as lingers, no as stalls, no as trailers, yes as announces,
        yes as cancels, yes as goaway, yes as http1, yes as router,
    };
    cases!(Tiny, false);
}

/// Defines the cases of gRPC, which have their own service.
macro_rules! grpc_cases {
    ($framework:ident) => {
        cases! { $framework, true,
            grpc: unary rejected_by_the_method failed streamed_by_the_client streamed_by_the_server
                streamed_both_ways failed_stream failed_stream_early panicked
                panicked_with_an_answer_for_http panicked_within_a_stream unknown_method unknown_service a_thousand_unknown_methods
                a_thousand_rejected_methods cancelled cancelled_within_a_stream deadline
                deadline_of_the_client a_thousand_deadlines deadline_within_a_stream continued opentelemetry_naming;
        }
    };
}

mod tonic {
    grpc_cases!(Tonic);
}
mod tonic_on_axum {
    grpc_cases!(TonicOnAxum);
}
