//! The database of a URL.

use crate::base::text::percent_decoded;

/// The system of a client that does not know its database.
pub(crate) const UNKNOWN_SYSTEM: &str = "other_sql";

/// The database of a URL, without its user and password.
///
/// ```
/// use obs_core::adapter::KnownDatabase;
///
/// let database = KnownDatabase::parse("postgres://app:secret@db.internal/shop").expect("a URL");
/// assert_eq!((database.system, &*database.host), ("postgresql", "db.internal"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownDatabase {
    /// The name that OpenTelemetry gives to the system.
    pub system: &'static str,
    /// The host; empty for an embedded database.
    pub host: Box<str>,
    /// The port; `None` for the default one.
    pub port: Option<u16>,
    /// The name of the database.
    pub name: Option<Box<str>>,
}

impl KnownDatabase {
    /// A database of which only the system is known. It has OpenTelemetry's name.
    #[must_use]
    pub fn of_system(system: &'static str) -> Self {
        Self { system, host: "".into(), port: None, name: None }
    }

    /// Parses a URL such as `postgres://user:password@host:5432/name`. `None` if the system is
    /// unknown, or if it is no such URL.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once(':')?;
        let system = system(scheme)?;
        let rest = rest.split(['?', '#']).next()?;
        if system == "sqlite" {
            return Some(Self::of_system(system));
        }
        let (authority, path) = rest.strip_prefix("//")?.split_once('/').unwrap_or((rest.get(2..)?, ""));
        let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
        let (host, port) = match server.rsplit_once(':') {
            // The colons of an IPv6 address are inside of brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (server, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = percent_decoded(path.split('/').next().unwrap_or_default());
        let name = (!name.is_empty()).then(|| name.into_owned().into());
        Some(Self { system, host: percent_decoded(host).into(), port, name })
    }
}

/// Returns the system of a scheme.
fn system(scheme: &str) -> Option<&'static str> {
    Some(match scheme {
        "postgres" | "postgresql" => "postgresql",
        "mysql" => "mysql",
        "mariadb" => "mariadb",
        "sqlite" | "file" => "sqlite",
        "mssql" | "sqlserver" => "microsoft.sql_server",
        _ => return None,
    })
}

/// The default port of a database.
pub(crate) fn default_port(system: &str) -> Option<u16> {
    match system {
        "postgresql" => Some(5432),
        "mysql" | "mariadb" => Some(3306),
        "microsoft.sql_server" => Some(1433),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_the_system_the_server_and_the_name() {
        let parse = |url: &str| {
            let KnownDatabase { system, host, port, name } = KnownDatabase::parse(url)?;
            Some((system, host.into_string(), port, name.map(String::from)))
        };
        let expected = |system, host: &str, port, name: Option<&str>| {
            Some((system, host.to_owned(), port, name.map(str::to_owned)))
        };
        for (url, found) in [
            (
                "postgres://app:p%40ss@db:5433/shop?sslmode=require",
                expected("postgresql", "db", Some(5433), Some("shop")),
            ),
            ("postgresql://db", expected("postgresql", "db", None, None)),
            ("postgres:///shop?host=/run/postgresql", expected("postgresql", "", None, Some("shop"))),
            ("mysql://a:b@c@[::1]:3306/my%20shop", expected("mysql", "::1", Some(3306), Some("my shop"))),
            ("mysql://[::1]/", expected("mysql", "::1", None, None)),
            ("sqlite::memory:", expected("sqlite", "", None, None)),
            ("sqlite://shop.db", expected("sqlite", "", None, None)),
            ("redis://cache", None),
            ("postgres:shop", None),
            ("postgres://db:port/shop", None),
            ("", None),
        ] {
            assert_eq!(parse(url), found, "{url}");
        }
    }
}
