//! The routes of a thread. Some frameworks name the route of a request only with its response. Log
//! lines need the route earlier, so they look it up here.

use std::{
    cell::RefCell,
    fmt,
    marker::PhantomData,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

/// A function that returns the route of a path.
type FindRoute = Rc<dyn Fn(&str) -> Option<String>>;

thread_local! {
    static OF_THREAD: RefCell<Vec<(u64, FindRoute)>> = const { RefCell::new(Vec::new()) };
}

/// The application's routes on a thread, for [`RequestHead::thread_routes`].
///
/// A log line needs the route while its request runs. A framework that routes requests after its
/// middlewares states here how to look it up. It is looked up only for requests that write lines.
///
/// ```
/// use obs_core::{Observer, adapter::{RequestHead, ThreadRoutes}};
///
/// let routes = ThreadRoutes::new(|path| {
///     path.starts_with("/items/").then(|| "/items/{id}".to_owned())
/// });
/// let observer = Observer::builder("shop").no_environment().build()?;
/// let head = RequestHead::new("GET", "/items/7", &()).thread_routes(&routes);
/// let observation = observer.start(&head);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
///
/// [`RequestHead::thread_routes`]: crate::adapter::RequestHead::thread_routes
pub struct ThreadRoutes {
    id: u64,
    /// The routes stay on their thread.
    _of_thread: PhantomData<Rc<()>>,
}

impl ThreadRoutes {
    /// Adds the routes to this thread, until they are dropped. The function gets a path, and
    /// returns the route of the application for it.
    #[must_use]
    pub fn new(find: impl Fn(&str) -> Option<String> + 'static) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        OF_THREAD.with_borrow_mut(|all| all.push((id, Rc::new(find))));
        Self { id, _of_thread: PhantomData }
    }

    pub(crate) const fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for ThreadRoutes {
    fn drop(&mut self) {
        // At the end of the thread, its list may be gone. The removed function is dropped last,
        // because its destructor may drop other routes.
        let removed = OF_THREAD.try_with(|all| {
            let mut all = all.borrow_mut();
            let place = all.iter().position(|(id, _)| *id == self.id)?;
            Some(all.swap_remove(place))
        });
        drop(removed);
    }
}

impl fmt::Debug for ThreadRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadRoutes").finish_non_exhaustive()
    }
}

/// Looks up the route of a path. Returns `None` if this thread does not have these routes.
#[cfg(feature = "logs")]
pub(crate) fn find(id: u64, path: &str) -> Option<Option<String>> {
    let of_id = |all: &RefCell<Vec<(u64, FindRoute)>>| {
        all.borrow().iter().find(|(other, _)| *other == id).map(|(_, find)| Rc::clone(find))
    };
    let find = OF_THREAD.try_with(of_id).ok().flatten()?;
    Some(find(path))
}

#[cfg(all(test, feature = "logs"))]
mod tests {
    use super::*;

    #[test]
    fn routes_are_found_on_their_thread_until_they_are_dropped() {
        let routes =
            |name: &'static str| ThreadRoutes::new(move |path| (path == "/a").then(|| name.to_owned()));
        let (first, second) = (routes("first"), routes("second"));
        let (of_first, of_second) = (first.id(), second.id());
        assert_eq!(find(of_first, "/a"), Some(Some("first".to_owned())));
        assert_eq!(find(of_second, "/a"), Some(Some("second".to_owned())));
        assert_eq!(find(of_second, "/b"), Some(None));
        let elsewhere = std::thread::spawn(move || find(of_second, "/a"));
        assert_eq!(elsewhere.join().expect("no panic"), None);
        drop(first);
        assert_eq!((find(of_first, "/a"), find(of_second, "/b")), (None, Some(None)));
    }
}
