//! A call of another service from a handler, through a tower service that answers without a socket.
//! One call counts as one request.

use std::{convert::Infallible, io, pin::pin};

use ::tower::{Layer as _, Service, service_fn};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Empty, Full};
use obs_client::ClientExt as _;
use obs_core::{EventOutput, Observer, Outcome, adapter::RequestHead};

use super::{Setting, Share, obs};
use crate::{drive::Drive, sample, single_thread};

pub(super) static BARE: Setting = Setting { name: "call-bare", bare: None, run: |drive| send(drive, peer()) };

/// A call with its metrics and its entry in the event of the request.
pub(super) static OBSERVED: Setting = Setting {
    name: "call-observed",
    bare: Some(&BARE),
    run: |drive| in_request(None, |observer| send(drive, observer.client_layer().layer(peer()))),
};

/// The same with a span that is exported.
pub(super) static SAMPLED: Setting = Setting {
    name: "call-sampled",
    bare: Some(&BARE),
    run: |drive| in_request(Some(Share::All), |observer| send(drive, observer.client_layer().layer(peer()))),
};

/// Makes the calls in a request of an observer.
pub(super) fn in_request(share: Option<Share>, calls: impl FnOnce(&Observer)) {
    let builder = Observer::builder("bench").no_environment();
    let builder = builder.events(EventOutput::writer(io::sink()));
    let builder = share.into_iter().fold(builder, obs::traced);
    let observer = builder.build().expect("the settings are right");
    let mut observation = observer.start(&RequestHead::new("GET", "/orders/7", &()));
    observation.set_route("/orders/{id}");
    observation.work().run(|| calls(&observer));
    observation.finish(Outcome::Completed);
    assert!(observer.metrics_text().contains("http_client_request_duration_seconds_count"));
    let report = observer.shutdown(std::time::Duration::from_secs(60));
    assert!(report.flushed, "spans are left: {report:?}");
}

/// A service that only answers.
fn peer() -> impl Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible> {
    service_fn(|_| async { Ok(Response::new(Full::from(sample::ANSWER))) })
}

/// Sends the calls, and reads each response to its end.
fn send<S, Res>(drive: Drive, mut client: S)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<Res>>,
    S::Error: std::fmt::Debug,
    Res: Body,
    Res::Error: std::fmt::Debug,
{
    let Drive::Requests(calls) = drive else { panic!("a call cannot be served") };
    single_thread::block_on(async {
        for _ in 0..calls {
            let mut request = Request::new(Empty::new());
            *request.uri_mut() = http::Uri::from_static("http://payments.internal/payments/7");
            let response = client.call(request).await.expect("an answer");
            let mut body = pin!(response.into_body());
            while !body.is_end_stream()
                && let Some(frame) = body.frame().await
            {
                frame.expect("the body has no error");
            }
        }
    });
}
