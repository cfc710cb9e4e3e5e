//! The report of a failed call.

use std::{any::Any, error::Error, fmt::Display, io};

use hyper_util::client::legacy;
use obs_core::output::ErrorReport;

use super::{Facts, failure_of, text};
use obs_core::adapter::CallObservation;

/// Reports an error of a generic service or body as the failure of its call.
///
/// Such an error need not implement [`Error`]: a boxed error does not. So the types that clients
/// use are tried. The failure of any other type follows from its text.
pub(crate) fn report<E: Display + 'static>(call: &mut CallObservation, error: &E) {
    #[cfg(feature = "tonic")]
    super::tonic::report_status(call, error);
    if let Some(error) = as_error(error) {
        return report_error(call, error);
    }
    let mut facts = Facts::default();
    text::read(error, &mut facts);
    call.failed(facts.failure(), Some(ErrorReport::of_text(error)));
}

/// Reports an error as the failure of its call.
pub(crate) fn report_error(call: &mut CallObservation, error: &(dyn Error + 'static)) {
    call.failed(failure_of(error), Some(ErrorReport::of(error)));
}

fn as_error<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    fn of<E: Error + 'static>(error: &dyn Any) -> Option<&(dyn Error + 'static)> {
        error.downcast_ref::<E>().map(|error| error as _)
    }
    let any: &dyn Any = error;
    if let Some(error) = any.downcast_ref::<Box<dyn Error + Send + Sync>>() {
        return Some(&**error);
    }
    if let Some(error) = any.downcast_ref::<Box<dyn Error>>() {
        return Some(&**error);
    }
    let known = of::<hyper::Error>(any)
        .or_else(|| of::<legacy::Error>(any))
        .or_else(|| of::<io::Error>(any))
        .or_else(|| of::<h2::Error>(any));
    #[cfg(feature = "reqwest")]
    let known = known.or_else(|| of::<::reqwest::Error>(any));
    #[cfg(feature = "reqwest-0-12")]
    let known = known.or_else(|| of::<reqwest_0_12::Error>(any));
    #[cfg(feature = "tonic")]
    let known = known.or_else(|| super::tonic::as_error(any));
    known
}
