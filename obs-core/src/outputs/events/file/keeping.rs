//! A keeper at work: at once, or on a thread of its own if it compresses.

use std::{io, sync::atomic::AtomicBool};

#[cfg(feature = "gzip")]
use super::background::Background;
use super::keeper::Keeper;
use crate::base::diagnostics;

/// The keeper of one file.
pub(super) enum Keeping {
    Here(Watched),
    #[cfg(feature = "gzip")]
    Thread(Background),
}

impl Keeping {
    /// Starts with what is there already.
    pub(super) fn start(keeper: Keeper) -> io::Result<Self> {
        #[cfg(feature = "gzip")]
        if keeper.gzip {
            return Background::start(keeper.into()).map(Self::Thread);
        }
        let mut keeper = Watched::from(keeper);
        keeper.run(&AtomicBool::new(false));
        Ok(Self::Here(keeper))
    }

    /// Cares for one more segment.
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

/// A keeper whose failures are warned of.
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
    /// Runs the keeper and returns true if it succeeds. Warns of the first failure, and of the first after each success.
    pub(super) fn run(&mut self, stop: &AtomicBool) -> bool {
        let result = self.keeper.run(stop);
        if let Err(error) = &result
            && !self.warned
        {
            let path = self.keeper.names.current.display();
            diagnostics::warn(format_args!("closed segments of {path} cannot be cared for ({error})"));
        }
        self.warned = result.is_err();
        result.is_ok()
    }
}
