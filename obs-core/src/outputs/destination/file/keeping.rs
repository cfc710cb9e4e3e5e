//! Runs the compression and removal of closed segments: on a separate thread if they are
//! compressed, otherwise on the output's thread.

use std::{io, sync::atomic::AtomicBool};

#[cfg(feature = "gzip")]
use super::background::Background;
use super::keeper::Keeper;
use crate::redact::diagnostics;

/// The keeper of one file.
pub(super) enum Keeping {
    Here(Watched),
    #[cfg(feature = "gzip")]
    Thread(Background),
}

impl Keeping {
    /// Starts a keeper. Its first run handles the existing segments.
    pub(super) fn start(keeper: Keeper) -> io::Result<Self> {
        #[cfg(feature = "gzip")]
        if keeper.gzip {
            return Background::start(keeper.into()).map(Self::Thread);
        }
        let mut keeper = Watched::from(keeper);
        keeper.run(&AtomicBool::new(false));
        Ok(Self::Here(keeper))
    }

    /// Runs the keeper after a segment was closed.
    pub(super) fn segment_closed(&mut self) {
        match self {
            Self::Here(keeper) => {
                keeper.run(&AtomicBool::new(false));
            }
            #[cfg(feature = "gzip")]
            Self::Thread(thread) => thread.wake(),
        }
    }
}

/// A keeper whose failures cause a warning.
pub(super) struct Watched {
    keeper: Keeper,
    warned: bool,
}

impl From<Keeper> for Watched {
    fn from(keeper: Keeper) -> Self {
        Self { keeper, warned: false }
    }
}

impl Watched {
    /// Runs the keeper. Returns true if it succeeds. Warns at the first failure, and at the first
    /// one after a success.
    pub(super) fn run(&mut self, stop: &AtomicBool) -> bool {
        let result = self.keeper.run(stop);
        if let Err(error) = &result
            && !self.warned
        {
            let path = self.keeper.names.current.display();
            diagnostics::warn(format_args!("cannot compress or remove closed segments of {path}: {error}"));
        }
        self.warned = result.is_err();
        result.is_ok()
    }
}
