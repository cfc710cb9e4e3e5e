//! The trait with which an extension installs itself.

use crate::{
    base::{build_error::BuildError, environment::Environment},
    extension::setup::Setup,
};

/// A subsystem that installs itself into an observer: sinks, internal metrics, endpoints, health
/// checks, a step of the shutdown, and a row in the report of the shutdown.
///
/// [`ObserverBuilder::extension`](crate::ObserverBuilder::extension) takes one. Metrics, events,
/// spans and the health pages are extensions, too.
///
/// The builder calls the methods in this order, each for all extensions before the next method:
/// 1. [`configure`](Self::configure)
/// 2. [`check`](Self::check)
/// 3. [`install`](Self::install)
/// 4. the steps of [`Setup::when_all_are_installed`]
///
/// ```
/// use std::sync::Arc;
/// use obs_core::{BuildError, Observer, adapter::Answer};
/// use obs_core::output::{Counter, Environment, Extension, Record, RecordSink, Setup};
///
/// /// Counts requests that took too long.
/// struct SlowRequests {
///     milliseconds: u64,
/// }
///
/// struct Slow(u64, Arc<Counter>);
/// impl RecordSink for Slow {
///     fn name(&self) -> &str { "slow_requests" }
///     fn on_finish(&self, record: &Record) {
///         self.1.add(u64::from(record.duration.as_millis() > u128::from(self.0)));
///     }
/// }
///
/// impl Extension for SlowRequests {
///     fn name(&self) -> &str { "slow_requests" }
///
///     fn configure(&mut self, environment: &Environment) -> Result<(), BuildError> {
///         let parse = |text: &str| text.parse::<u64>().ok();
///         let parsed = environment.parse("SHOP_SLOW_MS", "milliseconds", parse)?;
///         self.milliseconds = parsed.unwrap_or(self.milliseconds);
///         Ok(())
///     }
///
///     fn check(&self, environment: &Environment) -> Result<(), BuildError> {
///         if self.milliseconds == 0 {
///             let setting = environment.name_of(&["SHOP_SLOW_MS"], &["milliseconds"]);
///             return Err(BuildError::new(setting, "0", "at least 1"));
///         }
///         Ok(())
///     }
///
///     fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError> {
///         let help = "Requests that took too long.";
///         let count = setup.counter("obs_slow_requests_total", help, &[])?;
///         setup.sink(Slow(self.milliseconds, Arc::clone(&count)));
///         let answer = move || Answer::new(200, "text/plain", count.get().to_string());
///         setup.endpoint("/slow", move |_| answer().into());
///         Ok(())
///     }
/// }
///
/// let slow = SlowRequests { milliseconds: 500 };
/// let observer = Observer::builder("shop").extension(slow).build()?;
/// assert!(observer.metrics_text().contains("obs_slow_requests_total 0"));
/// # Ok::<(), obs_core::BuildError>(())
/// ```
pub trait Extension: Send + 'static {
    /// Returns the extension's name, which must be unique in the observer. Errors and the report of
    /// a shutdown contain it.
    fn name(&self) -> &str;

    /// Reads the extension's environment variables, which take precedence over the code. It is not
    /// called after [`no_environment`](crate::ObserverBuilder::no_environment).
    ///
    /// # Errors
    /// A variable has an invalid value. The build fails with this error.
    fn configure(&mut self, environment: &Environment) -> Result<(), BuildError> {
        let _ = environment;
        Ok(())
    }

    /// Checks the extension's settings, from the code and from the environment. It is called before
    /// any extension installs its parts, so no thread runs yet.
    ///
    /// # Errors
    /// A setting is invalid. The build fails with the error of the first one.
    fn check(&self, environment: &Environment) -> Result<(), BuildError> {
        let _ = environment;
        Ok(())
    }

    /// Installs the extension's parts.
    ///
    /// # Errors
    /// A part cannot be installed. The build fails with this error.
    fn install(self: Box<Self>, setup: &mut Setup<'_>) -> Result<(), BuildError>;
}
