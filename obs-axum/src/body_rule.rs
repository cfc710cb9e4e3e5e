//! The rule that says when the body of a response is complete, for hyper: axum, tower and tonic.

use obs_core::adapter::{BodyRule, Method, Observation};

/// Returns the rule for a response. `size` and `ended` are the body's `size_hint().exact()` and
/// `is_end_stream()`.
///
/// | response | rule |
/// |---|---|
/// | 101, and 2xx to CONNECT | upgraded with its head |
/// | to HEAD; 204, 304 | complete with its head: hyper does not poll the body |
/// | the body reports its end | complete with its head; truncated if the head declares more than 0 bytes |
/// | any other | polled; hyper drops the body after `Content-Length` bytes, or after the body's own size |
#[inline]
pub(crate) fn of_hyper(observation: &Observation, size: Option<u64>, ended: bool) -> BodyRule {
    let method = observation.request().method;
    let status = observation.status().unwrap_or_default();
    let declared = observation.content_length();
    if method.is_tunnel(status) {
        BodyRule::upgraded()
    } else if method == Method::Head || matches!(status, 204 | 304) {
        BodyRule::complete()
    } else if ended {
        BodyRule::complete().promised(declared)
    } else {
        BodyRule::polled().promised(declared).complete_after(declared.or(size))
    }
}

#[cfg(test)]
mod tests {
    use obs_core::{
        Outcome,
        adapter::{BodyObservation, HeaderLookup, RequestHead},
        testing::TestObserver,
    };

    use super::*;

    struct Length(Option<&'static str>);
    impl HeaderLookup for Length {
        fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
            if let Some(length) = self.0.filter(|_| name == "content-length") {
                f(length.as_bytes());
            }
        }
    }

    fn responded(method: &str, status: u16, length: Option<&'static str>) -> (Observation, TestObserver) {
        let test = TestObserver::new();
        let mut observation = test.observer().start(&RequestHead::new(method, "/", &()));
        observation.responded(status, &Length(length));
        (observation, test)
    }

    /// An event of a body: five bytes, trailers, the end.
    #[derive(Clone, Copy, Debug)]
    enum Seen {
        Part,
        Trailers,
        End,
    }
    use Seen::{End, Part, Trailers};

    /// All ways in which hyper handles a body, each with its outcome.
    #[test]
    fn the_rule_for_hyper() {
        type Case = (&'static str, u16, Option<&'static str>, Option<u64>, bool, &'static [Seen], Outcome);
        let cases: &[Case] = &[
            ("HEAD", 200, Some("9"), Some(9), false, &[], Outcome::Completed),
            ("GET", 204, None, None, false, &[], Outcome::Completed),
            ("GET", 304, Some("9"), None, false, &[], Outcome::Completed),
            ("GET", 200, None, Some(0), true, &[], Outcome::Completed),
            ("GET", 200, Some("9"), Some(0), true, &[], Outcome::Truncated),
            ("GET", 101, None, None, false, &[], Outcome::Upgraded),
            ("CONNECT", 200, None, None, false, &[], Outcome::Upgraded),
            ("CONNECT", 403, None, None, false, &[Part, End], Outcome::Completed),
            ("GET", 200, None, Some(5), false, &[Part, End], Outcome::Completed),
            ("GET", 200, Some("9"), Some(5), false, &[Part, End], Outcome::Truncated),
            ("GET", 200, None, None, false, &[Part, Trailers], Outcome::Completed),
            ("GET", 200, None, None, false, &[Part, End], Outcome::Completed),
            ("GET", 200, Some("9"), None, false, &[Part, End], Outcome::Truncated),
            // Dropped, with all bytes yielded and with fewer.
            ("GET", 200, Some("5"), None, false, &[Part], Outcome::Completed),
            ("GET", 200, None, Some(5), false, &[Part], Outcome::Completed),
            ("GET", 200, Some("9"), None, false, &[Part], Outcome::CancelledInBody),
            ("GET", 200, None, None, false, &[Part], Outcome::CancelledInBody),
            ("GET", 200, None, None, false, &[], Outcome::CancelledInBody),
        ];
        for case in cases {
            let (method, status, length, exact, ended, seen, outcome) = *case;
            let (observation, test) = responded(method, status, length);
            let rule = of_hyper(&observation, exact, ended);
            let mut body = BodyObservation::new(observation, rule);
            for seen in seen {
                match seen {
                    Part => assert_eq!(body.poll(|| Ok::<_, ()>("12345")), Ok("12345")),
                    Trailers => body.trailers(&()),
                    End => body.ended(),
                }
            }
            drop(body);
            let outcomes: Vec<_> = test.records().iter().map(|record| record.outcome).collect();
            assert_eq!(outcomes, [outcome], "{case:?}");
        }
    }
}
