//! Errors of tonic, and the gRPC status that follows from them.

use std::{any::Any, error::Error};

use h2::Reason;
use obs_core::adapter::{CallObservation, HeaderLookup};
use tonic::{Code, Status, transport};

use super::{Facts, chain::chain};

pub(super) fn read(error: &(dyn Error + 'static), facts: &mut Facts) {
    facts.connecting |= error.is::<tonic::ConnectError>();
}

/// Returns an error of tonic.
pub(super) fn as_error(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
    let status = error.downcast_ref::<Status>().map(|error| error as &(dyn Error + 'static));
    status.or_else(|| error.downcast_ref::<transport::Error>().map(|error| error as _))
}

/// Reports the status that a client generates for an error.
pub(super) fn report_status(call: &mut CallObservation, error: &dyn Any) {
    let code = match error.downcast_ref::<Status>() {
        Some(status) => Some(status.code()),
        None => error.downcast_ref::<transport::Error>().and_then(|error| of_reset(error)),
    };
    if let Some(code) = code {
        call.trailers(&Trailers(code));
    }
}

/// The status of a stream that was reset (gRPC over HTTP/2, "Errors"). tonic has it only with its
/// feature `server`.
fn of_reset(error: &(dyn Error + 'static)) -> Option<Code> {
    let error = chain(error).find_map(|error| error.downcast_ref::<h2::Error>())?;
    match error.reason()? {
        _ if !error.is_reset() => None,
        Reason::REFUSED_STREAM => Some(Code::Unavailable),
        Reason::CANCEL => Some(Code::Cancelled),
        Reason::ENHANCE_YOUR_CALM => Some(Code::ResourceExhausted),
        Reason::INADEQUATE_SECURITY => Some(Code::PermissionDenied),
        _ => Some(Code::Internal),
    }
}

/// A status as trailers.
struct Trailers(Code);

impl HeaderLookup for Trailers {
    fn each(&self, name: &str, f: &mut dyn FnMut(&[u8])) {
        if name == "grpc-status" {
            f((self.0 as i32).to_string().as_bytes());
        }
    }
}
