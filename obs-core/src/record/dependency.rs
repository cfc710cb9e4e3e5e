//! The names of the dependencies that a service calls. Each name is stored once.

use std::fmt;

use crate::{base::read_mostly::ReadMostly, record::route::intern_text};

/// The maximum number of dependencies that one observer distinguishes. Calls of further ones count
/// as calls of `other`.
pub(crate) const MAX_DEPENDENCIES: usize = 100;

/// The longest name of a dependency, in bytes.
pub(crate) const MAX_NAME: usize = 128;

/// The name of a dependency: a host such as `api.example.com`, or a name from code such as
/// `payments`.
///
/// Each name is kept once, until the process ends. So a copy costs nothing and outlives its
/// observer. An observer distinguishes 100 names. Calls of further dependencies count as calls of
/// `other`.
///
/// ```
/// # fn show(start: &obs_core::output::CallStart) {
/// println!("a call of {}", start.dependency);
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dependency {
    id: u32,
    name: &'static str,
}

impl Dependency {
    pub(crate) const OTHER: Self = Self { id: 0, name: "other" };

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.name
    }

    /// The number of the dependency, unique within the observer.
    pub(crate) const fn id(self) -> u32 {
        self.id
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dependency({self})")
    }
}

/// All dependencies that an observer has seen.
pub(crate) struct DependencyTable(ReadMostly<&'static str, Dependency>);

impl DependencyTable {
    pub(crate) fn new() -> Self {
        Self(ReadMostly::new())
    }

    /// Returns the dependency of this name, which has no secrets.
    #[inline]
    pub(crate) fn intern(&self, name: &str) -> Dependency {
        self.0.read(name, |found| *found).unwrap_or_else(|| self.add(name))
    }

    #[cold]
    #[inline(never)]
    fn add(&self, name: &str) -> Dependency {
        if name == Dependency::OTHER.name || name.is_empty() || self.0.len() >= MAX_DEPENDENCIES {
            return Dependency::OTHER;
        }
        let name = intern_text(name);
        let make = |before: usize| {
            let id = u32::try_from(before).unwrap_or(0).saturating_add(1);
            Dependency { id, name }
        };
        self.0.get_or_insert(name, MAX_DEPENDENCIES, make).unwrap_or(Dependency::OTHER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_names_is_bounded() {
        let table = DependencyTable::new();
        let names: Vec<_> = (0..150).map(|n| format!("host-{n}")).collect();
        let found: Vec<_> = names.iter().map(|name| table.intern(name).as_str().to_owned()).collect();
        assert_eq!(found[..100], names[..100]);
        assert!(found[100..].iter().all(|name| name == "other"));
        assert_eq!(table.intern("host-7"), table.intern("host-7"));
        assert_eq!(table.intern("").as_str(), "other");
    }
}
