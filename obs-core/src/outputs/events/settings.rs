//! What can be set about events: which are kept, what they tell of people, where they go.

use std::fmt;

use super::{keep::Keep, output::EventOutput};
use crate::{
    base::build_error::BuildError,
    record::{finished::Record, identity::Identity},
};

/// Settings of the events, for [`ObserverBuilder::events`](crate::ObserverBuilder::events).
///
/// Without any, every request but those of probes and scrapes leaves an event on standard output.
///
/// ```
/// use std::time::Duration;
/// use obs_core::{EventOutput, Events, Observer};
///
/// let events = Events::new()
///     .keep(|event| event.error_type().is_some() || event.duration > Duration::from_secs(1))
///     .sample_rate(0.1)                    // of the others, every tenth trace
///     .exclude_routes(["/internal/*"])
///     .headers(["x-api-version"])
///     .output(EventOutput::stdout());
/// let observer = Observer::builder("shop").no_environment().events(events).build()?;
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[must_use = "it does nothing until an observer is built with it"]
pub struct Events {
    /// Standard output if nothing was said.
    pub(crate) outputs: Option<Vec<EventOutput>>,
    pub(crate) keep: Keep,
    pub(crate) excluded: Vec<String>,
    pub(crate) headers: Vec<String>,
    pub(crate) client_address: Identity,
    pub(crate) user: Identity,
    pub(crate) hash_key: Option<Vec<u8>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            outputs: None,
            keep: Keep::default(),
            excluded: Vec::new(),
            headers: Vec::new(),
            client_address: Identity::Truncated,
            user: Identity::Kept,
            hash_key: None,
        }
    }
}

impl Events {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// No events at all.
    pub fn off() -> Self {
        Self { outputs: Some(Vec::new()), ..Self::default() }
    }

    /// Adds an output. The first one takes the place of standard output.
    pub fn output(mut self, output: EventOutput) -> Self {
        self.outputs.get_or_insert_default().push(output);
        self
    }

    /// Events to keep whatever [`sample_rate`](Self::sample_rate) says: those for which this is true of the finished event. A rule
    /// that panics keeps it. Several rules keep what any of them keeps.
    pub fn keep(mut self, rule: impl Fn(&Record) -> bool + Send + Sync + 'static) -> Self {
        self.keep.rules.push(Box::new(rule));
        self
    }

    /// How many of the other events are kept: 1 by default, which is all; 0 is none.
    ///
    /// Errors are among them unless a rule keeps them. A trace is kept or dropped as a whole, in every service that has the same rate. Each event tells the rate at which it was kept
    /// (`sample_rate`), so one at 0.1 stands for ten.
    pub const fn sample_rate(mut self, rate: f64) -> Self {
        self.keep.rate = rate;
        self
    }

    /// Routes that leave no event: templates, or what they begin with and a `*`. Probes and scrapes leave one only if they fail,
    /// whatever is said here.
    pub fn exclude_routes<R: Into<String>>(mut self, routes: impl IntoIterator<Item = R>) -> Self {
        self.excluded = routes.into_iter().map(Into::into).collect();
        self
    }

    /// Request headers that events tell; none by default. What looks like a secret is masked all the same.
    pub fn headers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.headers = names.into_iter().map(Into::into).collect();
        self
    }

    /// How the client's address is told: truncated by default.
    pub const fn client_address(mut self, identity: Identity) -> Self {
        self.client_address = identity;
        self
    }

    /// How the id that a handler gives to [`Work::user`](crate::Work::user) is told: kept by default, where one that is
    /// an e-mail address, say, is masked as everywhere; a hash is made of the id itself.
    pub const fn user(mut self, identity: Identity) -> Self {
        self.user = identity;
        self
    }

    /// The key of [hashes](Identity::Hashed): at least 16 bytes. Services whose hashes are to agree have the same.
    #[cfg(feature = "hash")]
    pub fn hash_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.hash_key = Some(key.into());
        self
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let error = |setting, value: String, expected| Err(BuildError { setting, value, expected });
        let rate = self.keep.rate;
        if !(0.0..=1.0).contains(&rate) {
            return error("sample_rate", rate.to_string(), "between 0 and 1");
        }
        if self.excluded.iter().any(String::is_empty) {
            return error(
                "exclude_routes",
                String::new(),
                "templates such as `/internal/{id}` or `/internal/*`",
            );
        }
        if self.user == Identity::Truncated {
            return error(
                "user",
                "Truncated".to_owned(),
                "`Off`, `Kept` or `Hashed`: only addresses can be truncated",
            );
        }
        // Without the feature only the environment can set it.
        if cfg!(not(feature = "hash")) && self.hash_key.is_some() {
            let expected = "unset, because this service is built without the feature `hash`";
            return error("OBS_HASH_KEY", "a key".to_owned(), expected);
        }
        let hashes = self.client_address.is_hashed() || self.user.is_hashed();
        let key = self.hash_key.as_ref().map_or(0, Vec::len);
        if (hashes || self.hash_key.is_some()) && key < 16 {
            return error("hash_key", format!("{key} bytes"), "at least 16 secret bytes");
        }
        let outputs = self.outputs.as_deref().unwrap_or_default();
        for (n, output) in outputs.iter().enumerate() {
            output.check()?;
            if outputs.iter().take(n).any(|other| other.name == output.name) {
                return error(
                    "output",
                    output.name.to_string(),
                    "a name of its own for each output: `.named(..)`",
                );
            }
        }
        Ok(())
    }
}

/// One output, and otherwise the defaults.
impl From<EventOutput> for Events {
    fn from(output: EventOutput) -> Self {
        Self::new().output(output)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("outputs", &self.outputs).finish_non_exhaustive()
    }
}
