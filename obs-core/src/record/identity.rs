//! Personal data in events: kept, truncated, hashed or dropped.

use std::{fmt, net::IpAddr};

#[cfg(feature = "hash")]
use crate::record::hash_key::HashKey;

/// The user that a request served, as far as the settings allow.
///
/// ```
/// # use obs_core::{Observer, Outcome, adapter::RequestHead, output::{Record, RecordSink, User}};
/// struct Users;
/// impl RecordSink for Users {
///     fn name(&self) -> &str { "users" }
///     fn on_finish(&self, record: &Record) {
///         assert_eq!(record.user, Some(User::Id("42".into())));
///     }
/// }
/// let observer = Observer::builder("shop").no_environment().sink(Users).build()?;
/// let observation = observer.start(&RequestHead::new("GET", "/", &()));
/// observation.work().user("42");
/// observation.finish(Outcome::Completed);
/// # Ok::<(), obs_core::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum User {
    /// The id that the handler set.
    Id(String),
    /// The id's keyed hash, as 32 hexadecimal digits.
    Hash(String),
}

impl User {
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Id(id) => Some(id),
            Self::Hash(_) => None,
        }
    }

    pub(crate) fn hash(&self) -> Option<&str> {
        match self {
            Self::Hash(hash) => Some(hash),
            Self::Id(_) => None,
        }
    }
}

/// The client's address, as far as the settings allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The address as it is, or its network.
    Address(IpAddr),
    /// The address's keyed hash, as 32 hexadecimal digits.
    #[cfg_attr(not(feature = "hash"), allow(dead_code))] // made with the feature alone
    Hash(String),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Hash(hash) => f.write_str(hash),
        }
    }
}

/// The form in which data that identifies a person is recorded.
///
/// ```
/// use obs_core::{Events, Identity};
/// let events = Events::new().client_address(Identity::Off);
/// # #[cfg(feature = "hash")]
/// let events = events.user(Identity::Hashed).hash_key("sixteen secret bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// The data is not recorded.
    Off,
    /// The data is recorded unchanged. Only a secret in the id of a [user](crate::Events::user) is
    /// masked.
    Kept,
    /// The data is recorded as a keyed hash: the first 16 bytes of its HMAC-SHA-256.
    ///
    /// The same person always has the same hash. Only someone who has [the
    /// key](crate::Events::hash_key) can match it to a person. This needs the feature `hash`.
    #[cfg(feature = "hash")]
    Hashed,
    /// Only the first part of an address is recorded: 24 bits of IPv4, 48 bits of IPv6.
    Truncated,
}

/// The settings for personal data.
pub(crate) struct IdentityPolicy {
    client_address: Identity,
    user: Identity,
    #[cfg(feature = "hash")]
    key: Option<HashKey>,
}

/// Records identify nobody.
impl Default for IdentityPolicy {
    fn default() -> Self {
        Self::new(Identity::Off, Identity::Off, None)
    }
}

impl IdentityPolicy {
    #[cfg_attr(not(feature = "hash"), allow(unused_variables))] // without the feature there is no key
    pub(crate) fn new(client_address: Identity, user: Identity, key: Option<&[u8]>) -> Self {
        Self {
            client_address,
            user,
            #[cfg(feature = "hash")]
            key: key.and_then(HashKey::new),
        }
    }

    /// The user with this id. A hash is made from the id as it is; an id that is kept passes
    /// through `mask`.
    pub(crate) fn user(&self, id: &str, mask: impl FnOnce(&str) -> String) -> Option<User> {
        match self.user {
            Identity::Kept => Some(User::Id(mask(id))),
            #[cfg(feature = "hash")]
            Identity::Hashed => self.hash(id.as_bytes()).map(User::Hash),
            Identity::Off | Identity::Truncated => None,
        }
    }

    pub(crate) fn client(&self, address: IpAddr) -> Option<Client> {
        // A dual-stack socket reports IPv4 clients as IPv4-mapped IPv6 addresses.
        let address = address.to_canonical();
        match self.client_address {
            Identity::Off => None,
            Identity::Kept => Some(Client::Address(address)),
            Identity::Truncated => Some(Client::Address(truncated(address))),
            #[cfg(feature = "hash")]
            Identity::Hashed => self.hash(address.to_string().as_bytes()).map(Client::Hash),
        }
    }

    #[cfg(feature = "hash")]
    fn hash(&self, text: &[u8]) -> Option<String> {
        self.key.as_ref()?.hash(text)
    }
}

#[cfg(feature = "hash")]
impl Identity {
    /// Returns true for hashes, which need a key.
    pub(crate) const fn is_hashed(self) -> bool {
        matches!(self, Self::Hashed)
    }
}

/// The network of an address: 24 bits of IPv4, 48 bits of IPv6.
fn truncated(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [a, b, c, 0].into()
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            [a, b, c, 0, 0, 0, 0, 0].into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "hash")]
    const KEY: &[u8] = b"sixteen secret bytes";

    #[test]
    fn addresses_are_kept_truncated_or_omitted() {
        let address_of = |identity, address: &str| {
            let policy = IdentityPolicy::new(identity, Identity::Off, None);
            policy.client(address.parse().expect("an address")).map(|client| client.to_string())
        };
        assert_eq!(address_of(Identity::Off, "192.0.2.7"), None);
        assert_eq!(address_of(Identity::Kept, "::ffff:192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(address_of(Identity::Truncated, "192.0.2.7").as_deref(), Some("192.0.2.0"));
        assert_eq!(address_of(Identity::Truncated, "2001:db8:1:2:3::4").as_deref(), Some("2001:db8:1::"));
    }

    #[cfg(feature = "hash")]
    #[test]
    fn addresses_are_hashed() {
        let address_of = |address: &str| {
            let policy = IdentityPolicy::new(Identity::Hashed, Identity::Off, Some(KEY));
            policy.client(address.parse().expect("an address")).map(|client| client.to_string())
        };
        let hash = address_of("192.0.2.7").expect("a hash");
        assert_eq!(hash.len(), 32);
        assert_eq!(address_of("::ffff:192.0.2.7"), Some(hash.clone()));
        assert_ne!(address_of("192.0.2.8"), Some(hash));
    }

    #[cfg(feature = "hash")]
    /// RFC 4231, test case 2.
    #[test]
    fn the_hash_is_hmac_sha_256() {
        let policy = IdentityPolicy::new(Identity::Off, Identity::Hashed, Some(b"Jefe"));
        let expected = User::Hash("5bdcc146bf60754e6a042426089575c7".to_owned());
        assert_eq!(policy.user("what do ya want for nothing?", str::to_owned), Some(expected));
        assert_eq!(
            IdentityPolicy::new(Identity::Off, Identity::Truncated, None).user("42", str::to_owned),
            None
        );
    }
}
