//! Redirects: the calls, and the headers that each host gets.

use http::Method;
use obs_tests::peers::{
    answer::answering_with,
    redirect::{ARRIVED, redirecting},
};

use super::{
    exchange::{Exchange, Upload},
    kinds::REQWEST,
    seen::{Call, check_internal, in_request},
};

#[tokio::test]
async fn a_redirect_to_the_same_host() {
    for kind in REQWEST {
        let peer = redirecting(307, "/end?token=hunter2");
        let exchange =
            Exchange { own_headers: true, ..Exchange::post(peer.url("/"), Upload::Whole("{}".into())) };
        let (answer, seen) =
            in_request(|builder| builder, async |observer| kind.send(observer, &exchange).await).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, ARRIVED), "{kind:?}");
        assert_eq!(answer.url, Some(peer.url("/end?token=hunter2")), "{kind:?}");
        let received = peer.received();
        assert_eq!(received.len(), 2, "{kind:?}");
        for request in &received {
            assert_eq!((request.method.as_str(), request.body.as_slice()), ("POST", &b"{}"[..]), "{kind:?}");
            assert_eq!(request.header("x-own"), Some("kept"), "{kind:?}");
            assert_eq!(request.header("authorization"), Some("Bearer hunter2"), "{kind:?}");
            // A client that exists takes headers along to any host.
            check_internal(&format!("{kind:?}"), request, kind.sees_attempts());
        }
        if kind.sees_attempts() {
            seen.check(&format!("{kind:?}"), &[Call::success(307), Call::success(200).resend(1)]);
            seen.is_parent(0, &received[0]);
            seen.is_parent(1, &received[1]);
            assert_eq!(received[1].header("referer"), Some(peer.url("/").as_str()), "{kind:?}");
        } else {
            seen.check(&format!("{kind:?}"), &[Call::success(200)]);
            seen.is_parent(0, &received[0]);
            seen.is_parent(0, &received[1]);
        }
    }
}

/// The list of internal hosts has `localhost`, and the redirect leads to another host.
#[tokio::test]
async fn a_redirect_to_another_host_has_no_baggage_and_no_request_id() {
    for kind in REQWEST {
        let other = redirecting(302, "/");
        let peer = redirecting(302, &other.url("/end"));
        let url = format!("http://localhost:{}/", peer.addr().port());
        let exchange = Exchange { own_headers: true, ..Exchange::get(url) };
        let (answer, seen) = in_request(
            |builder| builder.internal_hosts(["localhost"]),
            async |observer| kind.send(observer, &exchange).await,
        )
        .await;
        assert_eq!(answer.unwrap().url, Some(other.url("/end")), "{kind:?}");
        let (first, second) = (peer.received().remove(0), other.received().remove(0));
        check_internal(&format!("{kind:?}"), &first, kind.sees_attempts());
        check_internal(&format!("{kind:?}"), &second, false);
        assert_eq!(first.header("authorization"), Some("Bearer hunter2"), "{kind:?}");
        assert_eq!(second.header("authorization"), None, "{kind:?}");
        assert_eq!(second.header("x-own"), Some("kept"), "{kind:?}: as with reqwest");
        if kind.sees_attempts() {
            seen.check(&format!("{kind:?}"), &[Call::success(302), Call::success(200).resend(1)]);
            seen.is_parent(1, &second);
        } else {
            seen.check(&format!("{kind:?}"), &[Call::success(200)]);
            seen.is_parent(0, &second);
        }
    }
}

/// The requests after a redirect are those that reqwest itself sends.
#[tokio::test]
async fn redirects_follow_the_rules_of_reqwest() {
    for status in [301, 302, 303, 307, 308, 300, 304] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::HEAD] {
            for upload in [Upload::Whole("{}".into()), Upload::Parts(vec![Ok("{}")])] {
                let mut sent = Vec::new();
                for kind in REQWEST {
                    let peer = redirecting(status, "/end");
                    let exchange = Exchange {
                        method: method.clone(),
                        own_headers: true,
                        ..Exchange::post(peer.url("/"), upload.clone())
                    };
                    let (answer, _) =
                        in_request(|builder| builder, async |observer| kind.send(observer, &exchange).await)
                            .await;
                    let answer = answer.unwrap();
                    let mut received = peer.received();
                    for request in &mut received {
                        for name in ["traceparent", "baggage", "x-request-id"] {
                            request.headers.remove(name);
                        }
                        request.headers.remove("host");
                        if let Some(referer) = request.headers.get_mut("referer") {
                            *referer = "set".parse().unwrap();
                        }
                    }
                    let received: Vec<_> = received
                        .into_iter()
                        .map(|request| {
                            (request.method, request.target.to_string(), request.headers, request.body)
                        })
                        .collect();
                    sent.push((kind, answer.status, received));
                }
                let (_, status, expected) = sent.pop().unwrap();
                for (kind, own_status, received) in sent {
                    let what = format!("{kind:?}: {status} {method} {upload:?}");
                    assert_eq!((own_status, &received), (status, &expected), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn redirects_without_end() {
    for kind in REQWEST {
        let peer = redirecting(302, "/");
        let exchange = Exchange::get(peer.url("/"));
        let (answer, seen) =
            in_request(|builder| builder, async |observer| kind.send(observer, &exchange).await).await;
        let error = answer.expect_err("too many redirects");
        let text = format!("{error:?}");
        assert!(text.contains("Redirect") && text.contains("TooManyRedirects"), "{kind:?}: {text}");
        let expected: Vec<_> = if kind.sees_attempts() {
            let followed = (0..10).map(|n| Call::success(302).resend(n));
            followed.chain([Call::failed("redirect").resend(10)]).collect()
        } else {
            vec![Call::failed("redirect")]
        };
        seen.check(&format!("{kind:?}"), &expected);
        assert_eq!(peer.received().len(), 11, "{kind:?}");
    }
}

#[tokio::test]
async fn a_location_that_is_not_for_http() {
    for kind in REQWEST {
        let peer = redirecting(302, "ftp://files.test/");
        let exchange = Exchange::get(peer.url("/"));
        let (answer, seen) =
            in_request(|builder| builder, async |observer| kind.send(observer, &exchange).await).await;
        let error = answer.expect_err("no scheme for HTTP");
        assert!(format!("{error:?}").contains("BadScheme"), "{kind:?}: {error:?}");
        let failed = if kind.sees_attempts() {
            Call::failed("redirect").after(302)
        } else {
            Call::failed("_OTHER") // reqwest's error does not mention the redirect
        };
        seen.check(&format!("{kind:?}"), &[failed]);
    }
}

/// A response that has no usable location goes to the application.
#[tokio::test]
async fn a_redirect_without_a_location() {
    for kind in REQWEST {
        let peer = answering_with(|_| http::Response::builder().status(302).body("here".into()).unwrap());
        let exchange = Exchange::get(peer.url("/"));
        let (answer, seen) =
            in_request(|builder| builder, async |observer| kind.send(observer, &exchange).await).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (302, "here"), "{kind:?}");
        seen.check(&format!("{kind:?}"), &[Call::success(302)]);
    }
}
