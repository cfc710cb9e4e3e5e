//! The rule that says when the body of a response is complete, for actix-web.

use obs_core::adapter::{BodyRule, HttpVersion, Method, Observation};

/// Returns the rule for a response. `size` is the body's own size: 0 without a body, `None` if it
/// is unknown.
///
/// | response | rule |
/// |---|---|
/// | 101 | upgraded with its head |
/// | an empty body; over HTTP/2 also responses to HEAD, 204 and 304 | complete unless polled |
/// | any other | polled to its end, even if actix-web discards the bytes; an earlier drop is a cancellation |
///
/// The bytes of a response to HEAD and of a 304 do not go to the client. All other bodies must
/// yield their own size.
#[inline]
pub(crate) fn of_actix(observation: &Observation, size: Option<u64>) -> BodyRule {
    let request = observation.request();
    let head = request.method == Method::Head;
    let status = observation.status().unwrap_or_default();
    if status == 101 {
        return BodyRule::upgraded();
    }
    let rule = if head || status == 304 {
        BodyRule::polled().uncounted()
    } else {
        BodyRule::polled().promised(size)
    };
    let is_http2 = request.version == Some(HttpVersion::Http2);
    let unpolled = size == Some(0) || (is_http2 && (head || matches!(status, 204 | 304)));
    if unpolled { rule.complete_unless_polled() } else { rule }
}

#[cfg(test)]
mod tests {
    use obs_core::{
        Outcome,
        adapter::{BodyObservation, RequestHead},
        testing::TestObserver,
    };

    use super::*;

    fn responded(method: &str, status: u16, version: HttpVersion) -> (Observation, TestObserver) {
        let test = TestObserver::new();
        let head = RequestHead::new(method, "/", &()).version(version);
        let mut observation = test.observer().start(&head);
        observation.responded(status, &());
        (observation, test)
    }

    /// An event of a body: five bytes, the end.
    #[derive(Clone, Copy, Debug)]
    enum Seen {
        Part,
        End,
    }
    use Seen::{End, Part};

    /// All ways in which actix-web handles a body, each with its outcome.
    #[test]
    fn the_rule_for_actix() {
        const H1: HttpVersion = HttpVersion::Http11;
        const H2: HttpVersion = HttpVersion::Http2;
        type Case = (&'static str, u16, Option<u64>, HttpVersion, &'static [Seen], Outcome);
        let cases: &[Case] = &[
            ("GET", 200, Some(0), H1, &[], Outcome::Completed),
            ("GET", 101, None, H1, &[], Outcome::Upgraded),
            ("HEAD", 200, Some(5), H2, &[], Outcome::Completed),
            ("GET", 204, Some(5), H2, &[], Outcome::Completed),
            ("GET", 304, Some(5), H2, &[], Outcome::Completed),
            ("HEAD", 200, Some(5), H2, &[Part], Outcome::CancelledInBody),
            ("GET", 200, Some(0), H1, &[Part], Outcome::CancelledInBody),
            ("HEAD", 200, Some(5), H1, &[Part, End], Outcome::Completed),
            ("GET", 304, Some(5), H1, &[Part, End], Outcome::Completed),
            ("GET", 200, Some(5), H1, &[Part, End], Outcome::Completed),
            ("GET", 200, Some(9), H1, &[Part, End], Outcome::Truncated),
            ("GET", 200, None, H1, &[Part, End], Outcome::Completed),
            // All bytes were taken, but they were not sent.
            ("GET", 200, Some(5), H1, &[Part], Outcome::CancelledInBody),
            ("GET", 200, Some(5), H2, &[], Outcome::CancelledInBody),
            ("GET", 200, None, H1, &[], Outcome::CancelledInBody),
        ];
        for case in cases {
            let (method, status, size, version, seen, outcome) = *case;
            let (observation, test) = responded(method, status, version);
            let rule = of_actix(&observation, size);
            let mut body = BodyObservation::new(observation, rule);
            for seen in seen {
                match seen {
                    Part => assert_eq!(body.poll(|| Ok::<_, ()>("12345")), Ok("12345")),
                    End => body.ended(),
                }
            }
            drop(body);
            let outcomes: Vec<_> = test.records().iter().map(|record| record.outcome).collect();
            assert_eq!(outcomes, [outcome], "{case:?}");
        }
    }
}
