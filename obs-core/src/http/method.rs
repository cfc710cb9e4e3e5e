//! Request methods, folded to a bounded set.

/// Every method with its text.
macro_rules! methods {
    ($($name:ident $text:literal)*) => {
        /// A request method: one that is registered, or [`Method::Other`].
        ///
        /// Of the registered ones (IANA's "HTTP Method Registry") an observer knows those of RFC 9110, `PATCH` and `QUERY`, unless
        /// [it is told others](crate::ObserverBuilder::known_methods). Methods are case-sensitive (RFC 9110 §9.1). What a client invents
        /// becomes `_OTHER`, as OpenTelemetry's conventions want it, so that it cannot make time series;
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
            /// Every method, in the order of its index.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)* Self::Other];

            /// The registered method of this text.
            #[inline]
            fn registered(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The method's text, `_OTHER` for an unknown one.
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

// Those that are known by default come first.
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
    /// The method that `text` names; [`Method::Other`] if it is none of those that are known by default.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        KnownMethods::default().parse(text)
    }

    /// Returns whether a response with `status` hands the connection over: 101, or a successful CONNECT (RFC 9110 §9.3.6).
    #[must_use]
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
    /// Those of these names; the first name that no registered method has is an error.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        names.into_iter().try_fold(Self(0), |known, name| {
            let method = Method::registered(name).ok_or(name)?;
            Ok(Self(known.0 | 1 << method.index()))
        })
    }

    /// The method that `text` names, if it is known.
    pub(crate) fn parse(self, text: &str) -> Method {
        let known = |method: &Method| self.0 & (1 << method.index()) != 0;
        Method::registered(text).filter(known).unwrap_or(Method::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_at_its_index_and_parses_back() {
        let all = KnownMethods(u64::MAX);
        for (index, method) in Method::ALL.iter().copied().enumerate() {
            assert_eq!(method.index(), index);
            assert_eq!(all.parse(method.as_str()), method);
        }
        assert!(Method::ALL.len() <= 64, "each has a bit");
    }

    #[test]
    fn others_can_be_known() {
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
