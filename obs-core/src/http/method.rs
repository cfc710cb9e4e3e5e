//! Request methods, limited to a fixed set.

/// Defines [`Method`] by the name and the text of each method.
macro_rules! methods {
    ($($name:ident $text:literal)*) => {
        /// A request method: a registered one, or [`Method::Other`].
        ///
        /// By default, an observer knows the methods of RFC 9110, `PATCH` and `QUERY`.
        /// [`known_methods`](crate::ObserverBuilder::known_methods) selects others of the
        /// registered methods (IANA's "HTTP Method Registry"). Methods are case-sensitive (RFC 9110
        /// §9.1).
        ///
        /// Any other method becomes `_OTHER`, as OpenTelemetry's conventions require, so that
        /// clients cannot create time series.
        /// [`RequestStart::method_original`](crate::output::RequestStart) keeps its text.
        ///
        /// ```
        /// use obs_core::adapter::Method;
        /// assert_eq!(Method::parse("GET").as_str(), "GET");
        /// assert_eq!(Method::parse("get"), Method::Other);
        /// assert_eq!(Method::Other.as_str(), "_OTHER");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        #[allow(missing_docs)] // the names say it
        pub enum Method {
            $($name,)*
            Other,
        }

        impl Method {
            /// All methods, in the order of their indices.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)* Self::Other];

            /// Returns the registered method with this text.
            #[inline]
            fn registered(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The text of the method; `_OTHER` for an unknown one.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other => "_OTHER",
                }
            }
        }
    };
}

// The methods that are known by default come first.
methods! {
    Get "GET"
    Head "HEAD"
    Post "POST"
    Put "PUT"
    Delete "DELETE"
    Connect "CONNECT"
    Options "OPTIONS"
    Trace "TRACE"
    Patch "PATCH"
    Query "QUERY"
    Acl "ACL"
    BaselineControl "BASELINE-CONTROL"
    Bind "BIND"
    Checkin "CHECKIN"
    Checkout "CHECKOUT"
    Copy "COPY"
    Label "LABEL"
    Link "LINK"
    Lock "LOCK"
    Merge "MERGE"
    Mkactivity "MKACTIVITY"
    Mkcalendar "MKCALENDAR"
    Mkcol "MKCOL"
    Mkredirectref "MKREDIRECTREF"
    Mkworkspace "MKWORKSPACE"
    Move "MOVE"
    Orderpatch "ORDERPATCH"
    Propfind "PROPFIND"
    Proppatch "PROPPATCH"
    Rebind "REBIND"
    Report "REPORT"
    Search "SEARCH"
    Unbind "UNBIND"
    Uncheckout "UNCHECKOUT"
    Unlink "UNLINK"
    Unlock "UNLOCK"
    Update "UPDATE"
    Updateredirectref "UPDATEREDIRECTREF"
    VersionControl "VERSION-CONTROL"
}

impl Method {
    /// Returns the method with this text, or [`Method::Other`] if it is not known by default.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        KnownMethods::default().parse(text)
    }

    /// Returns `true` if a response with `status` turns the connection into a tunnel: 101, or a
    /// successful CONNECT (RFC 9110 §9.3.6).
    #[must_use]
    #[inline]
    pub fn is_tunnel(self, status: u16) -> bool {
        status == 101 || (self == Self::Connect && (200..300).contains(&status))
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// The methods that an observer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KnownMethods(u64);

impl Default for KnownMethods {
    fn default() -> Self {
        Self((1 << (Method::Query.index() + 1)) - 1)
    }
}

impl KnownMethods {
    /// Creates the set of methods with these names. Returns the first name that is not registered
    /// as an error.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        names.into_iter().try_fold(Self(0), |known, name| {
            let method = Method::registered(name).ok_or(name)?;
            Ok(Self(known.0 | 1 << method.index()))
        })
    }

    /// Returns the method with this text, or [`Method::Other`] if it is not known.
    #[inline]
    pub(crate) fn parse(self, text: &str) -> Method {
        let known = |method: &Method| self.0 & (1 << method.index()) != 0;
        Method::registered(text).filter(known).unwrap_or(Method::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_index_and_is_parsed() {
        let all = KnownMethods(u64::MAX);
        for (index, method) in Method::ALL.iter().copied().enumerate() {
            assert_eq!(method.index(), index);
            assert_eq!(all.parse(method.as_str()), method);
        }
        assert!(Method::ALL.len() <= 64, "each has a bit");
    }

    #[test]
    fn other_registered_methods_can_be_selected() {
        assert_eq!(Method::parse("QUERY"), Method::Query);
        assert_eq!(Method::parse("PROPFIND"), Method::Other);
        let known = KnownMethods::new(["GET", "PROPFIND"]).expect("registered");
        assert_eq!(
            ["GET", "PROPFIND", "POST"].map(|text| known.parse(text)),
            [Method::Get, Method::Propfind, Method::Other]
        );
        assert_eq!(KnownMethods::new(["GET", "BREW"]), Err("BREW"));
    }
}
