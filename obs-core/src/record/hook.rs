//! Functions of the application that an observer calls for each request.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::{base::panic::catch, redact::diagnostics};

/// A function of the application. A panic of it affects no request.
pub(crate) struct Hook<F: ?Sized> {
    /// The setting that has the function.
    setting: &'static str,
    /// True once the warning about a panic was logged.
    warned: AtomicBool,
    function: Box<F>,
}

impl<F: ?Sized> Hook<F> {
    pub(crate) const fn new(setting: &'static str, function: Box<F>) -> Self {
        Self { setting, warned: AtomicBool::new(false), function }
    }

    /// Calls the function. Returns `None` if it panics. The first panic is warned about.
    pub(crate) fn call<T>(&self, call: impl FnOnce(&F) -> T) -> Option<T> {
        let result = catch(|| call(&self.function));
        if let Err(panic) = &result
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            let (setting, message) = (self.setting, &panic.report().message);
            diagnostics::warn(format_args!("the function of `{setting}` panicked: {message}"));
        }
        result.ok()
    }
}

#[cfg(test)]
mod tests {
    use crate::{base::test_log::Log, http::head::RequestHead, observer::Observer, record::outcome::Outcome};

    #[test]
    fn the_first_panic_of_each_function_is_logged() {
        let log = Log::new();
        let _listening = log.clone().listen();
        let observer = Observer::builder("test")
            .no_environment()
            .panic_hook(false)
            .on_start(|_, _| panic!("of jane@example.com"))
            .classify_errors(|_| panic!("in the classifier"))
            .build()
            .expect("valid");
        for _ in 0..3 {
            observer.start(&RequestHead::new("GET", "/", &())).finish(Outcome::Completed);
        }
        let expected = [
            "WARN the function of `on_start` panicked: of [REDACTED]",
            "WARN the function of `classify_errors` panicked: in the classifier",
        ];
        assert_eq!(log.lines(), expected);
    }
}
