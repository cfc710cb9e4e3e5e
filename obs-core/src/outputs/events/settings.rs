//! Settings of events: which events are kept, which personal data they contain, and their outputs.

use std::fmt;

use super::{keep::Rule, output::EventOutput};
#[cfg(feature = "files")]
use crate::outputs::destination::file::EventFile;
use crate::{
    base::{build_error::BuildError, environment::Environment, parse, settings::settings},
    record::{
        finished::Record,
        identity::{Identity, IdentityPolicy},
        route,
    },
};

settings! {
    /// Settings of events, for [`ObserverBuilder::events`](crate::ObserverBuilder::events).
    ///
    /// By default, every request emits an event to standard output, except successful probes and
    /// scrapes.
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
    pub struct Events {}

    pub(crate) outputs: Option<Vec<EventOutput>> = None, "standard output" {
        /// Adds an output. The first one replaces standard output. `Events::off()` has no outputs.
        fn output(mut self, output: EventOutput) { self.outputs.get_or_insert_default().push(output) }
        variable "OBS_EVENTS": "`off`, or outputs separated by commas: `stdout`, and `file:` with a path (feature `files`)"
            => event_outputs;
        valid "outputs of different names";
        check Self::check_outputs;
    }

    pub(crate) rules: Vec<Rule> = Vec::new(), "none" {
        /// Keeps the events for which a rule returns true, regardless of
        /// [`sample_rate`](Self::sample_rate). With several rules, an event is kept if one of them
        /// keeps it. A rule that panics keeps the event.
        fn keep(mut self, rule: impl Fn(&Record) -> bool + Send + Sync + 'static) {
            self.rules.push(Box::new(rule));
        }
    }

    pub(crate) sample_rate: f64 = 1.0, "1" {
        /// Sets the share of events to keep among those that no rule keeps, from 0 (none) to 1
        /// (all). All events of a trace are kept or dropped together.
        ///
        /// All services with the same rate keep the same traces. The rate also applies to errors,
        /// unless a rule keeps them. Each event contains the rate at which it was kept
        /// (`sample_rate`). An event with the rate 0.1 represents ten events.
        fn sample_rate(mut self, rate: f64) { self.sample_rate = rate }
        variable "OBS_EVENTS_SAMPLE_RATE": "a number between 0 and 1" => parse::share;
        valid "between 0 and 1" if |rate| (0.0..=1.0).contains(rate);
    }

    pub(crate) excluded: Vec<String> = Vec::new(), "none" {
        /// Excludes routes from the events. A trailing `*` matches any suffix. Independently of
        /// this setting, probes and scrapes emit an event only if they fail.
        fn exclude_routes(mut self, routes: impl IntoIterator<Item = impl Into<String>>) {
            self.excluded = routes.into_iter().map(Into::into).collect();
        }
        valid each "routes such as `/internal/{id}` or `/internal/*`, and no regular expressions"
            if |route| route::is_pattern(route);
    }

    pub(crate) excluded_statuses: Vec<u16> = Vec::new(), "none" {
        /// Excludes responses with these statuses from the events. A request without a
        /// response has the status that metrics count: `499` if it was cancelled, `504` after a
        /// gRPC deadline, otherwise `500`.
        fn exclude_status(mut self, statuses: impl IntoIterator<Item = u16>) {
            self.excluded_statuses = statuses.into_iter().collect();
        }
        valid each "statuses between 100 and 599" if |status| (100..=599).contains(status);
    }

    pub(crate) headers: Vec<String> = Vec::new(), "none" {
        /// Records these request headers in events. A value that looks like a secret is masked.
        fn headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) {
            self.headers = names.into_iter().map(Into::into).collect();
        }
    }

    pub(crate) client_address: Identity = Identity::Truncated, "`Truncated`" {
        /// Sets the form in which events contain the client's address.
        fn client_address(mut self, identity: Identity) { self.client_address = identity }
    }

    pub(crate) user: Identity = Identity::Kept, "`Kept`" {
        /// Sets the form in which events contain the user's id, which a handler sets with
        /// [`Work::user`](crate::Work::user).
        ///
        /// A kept id that looks like a secret, such as an e-mail address, is masked. A hash is
        /// computed from the id before masking.
        fn user(mut self, identity: Identity) { self.user = identity }
        valid "`Off`, `Kept` or `Hashed`: only addresses can be truncated"
            if |user| *user != Identity::Truncated;
    }

    #[cfg(feature = "hash")]
    pub(crate) hash_key: Option<Vec<u8>> = None, "none" {
        /// Sets the key of [hashes](Identity::Hashed). Services with the same key compute the same
        /// hashes.
        fn hash_key(mut self, key: impl Into<Vec<u8>>) { self.hash_key = Some(key.into()) }
        variable "OBS_HASH_KEY": "the key of hashed users and addresses, at least 16 bytes"
            => |key| Some(key.as_bytes().to_vec());
        valid "at least 16 secret bytes";
        check Self::check_hash_key;
    }

    #[cfg(not(feature = "hash"))]
    pub(crate) hash_key: Option<Vec<u8>> = None, "none" {
        variable "OBS_HASH_KEY": "a key, with the feature `hash`" => |key| Some(key.as_bytes().to_vec());
        valid "unset, because this service is built without the feature `hash`";
        check Self::check_hash_key;
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::defaults()
    }
}

impl Events {
    /// Returns the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns settings without outputs: no events are emitted.
    pub fn off() -> Self {
        Self { outputs: Some(Vec::new()), ..Self::default() }
    }

    /// The policy for client addresses and user ids.
    pub(super) fn identities(&self) -> IdentityPolicy {
        IdentityPolicy::new(self.client_address, self.user, self.hash_key.as_deref())
    }

    /// Applies the environment variables that are set, to the outputs as well.
    pub(super) fn read_environment(&mut self, environment: &Environment) -> Result<(), BuildError> {
        self.read_variables(environment)?;
        self.outputs_mut().iter_mut().try_for_each(|output| output.read_environment(environment))
    }

    /// Rejects the first invalid value.
    pub(super) fn check_settings(&self, environment: &Environment) -> Result<(), BuildError> {
        self.check_values(environment)?;
        self.outputs.iter().flatten().try_for_each(|output| output.check(environment))
    }

    /// Returns the outputs, after adding standard output if none was set.
    fn outputs_mut(&mut self) -> &mut Vec<EventOutput> {
        self.outputs.get_or_insert_with(|| vec![EventOutput::stdout()])
    }

    fn check_outputs(&self, setting: &'static str, _: &'static str) -> Result<(), BuildError> {
        let outputs = self.outputs.as_deref().unwrap_or_default();
        let taken = |(n, output): &(usize, &EventOutput)| {
            outputs.iter().take(*n).any(|other| other.name == output.name)
        };
        if let Some((_, output)) = outputs.iter().enumerate().find(taken) {
            let expected = "a different name for each output: `.named(..)`";
            return Err(BuildError::new(setting, &*output.name, expected));
        }
        #[cfg(feature = "files")]
        for (n, output) in outputs.iter().enumerate() {
            let path = output.path();
            if path.is_some() && outputs.iter().take(n).any(|other| other.path() == path) {
                let path = path.unwrap_or_default().display().to_string();
                return Err(BuildError::new(setting, path, "a file of its own for each output"));
            }
        }
        Ok(())
    }

    /// Rejects a key. Without the feature `hash`, only the environment can set one.
    #[cfg(not(feature = "hash"))]
    fn check_hash_key(&self, setting: &'static str, expected: &'static str) -> Result<(), BuildError> {
        if self.hash_key.is_some() { Err(BuildError::new(setting, "a key", expected)) } else { Ok(()) }
    }

    /// Rejects a short key, also if nothing is hashed. A missing key is rejected if something is
    /// hashed.
    #[cfg(feature = "hash")]
    fn check_hash_key(&self, setting: &'static str, expected: &'static str) -> Result<(), BuildError> {
        let hashes = self.client_address.is_hashed() || self.user.is_hashed();
        let bytes = self.hash_key.as_ref().map_or(0, Vec::len);
        if (hashes || self.hash_key.is_some()) && bytes < 16 {
            return Err(BuildError::new(setting, format!("{bytes} bytes"), expected));
        }
        Ok(())
    }
}

/// Settings with one output, and otherwise the defaults.
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

/// Parses `stdout`, `off`, `file:/var/log/shop/events.jsonl`, or several of them with commas
/// between.
fn event_outputs(list: &str) -> Option<Vec<EventOutput>> {
    // `off` beside an output is a contradiction, so it is no output there.
    if parse::list(list).eq(["off"]) {
        return Some(Vec::new());
    }
    let output = |name: &str| match name.strip_prefix("file:") {
        #[cfg(feature = "files")]
        Some(path) if !path.is_empty() => Some(EventOutput::file(EventFile::new(path))),
        None if name == "stdout" => Some(EventOutput::stdout()),
        _ => None,
    };
    parse::list(list).map(output).collect()
}
