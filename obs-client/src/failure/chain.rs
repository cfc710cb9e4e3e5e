//! The errors of a chain.

use std::{error::Error, io, iter};

/// The longest chain that is read. An error whose source is itself would have no end.
const LONGEST: usize = 32;

/// Returns the error, its sources, and the errors inside of I/O errors.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| below(error)).take(LONGEST)
}

fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // The source of an I/O error is the source of the error inside of it: it skips this error.
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(inner);
    }
    // An error of h2 has no source.
    #[cfg(any(feature = "reqwest", feature = "reqwest-0-12", feature = "tower"))]
    if let Some(io) = error.downcast_ref::<h2::Error>().and_then(h2::Error::get_io) {
        return Some(io);
    }
    error.source()
}
