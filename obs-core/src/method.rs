//! Request methods, folded to a bounded set.

/// A request method: one of the methods of RFC 9110 and RFC 5789 (`PATCH`), or [`Method::Other`].
///
/// Methods are case-sensitive (RFC 9110 §9.1). What a client invents becomes `_OTHER`, as OpenTelemetry's
/// conventions want it, so that it cannot make time series; [`RequestStart::method_original`](crate::RequestStart)
/// keeps its text.
///
/// ```
/// use obs_core::Method;
/// assert_eq!(Method::parse("GET").as_str(), "GET");
/// assert_eq!(Method::parse("get"), Method::Other);
/// assert_eq!(Method::Other.as_str(), "_OTHER");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
#[allow(missing_docs)] // the names say it
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Other,
}

impl Method {
    /// Every method, in the order of its index.
    pub(crate) const ALL: [Self; 10] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
        Self::Other,
    ];

    /// The method that `text` names; [`Method::Other`] if it is none of the known ones.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }

    /// The method's text, `_OTHER` for an unknown one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other => "_OTHER",
        }
    }

    /// Whether an answer with `status` hands the connection over: 101, or a successful CONNECT (RFC 9110 §9.3.6).
    pub(crate) fn is_tunnel(self, status: u16) -> bool {
        status == 101 || (self == Self::Connect && (200..300).contains(&status))
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    #[test]
    fn every_method_is_at_its_index_and_parses_back() {
        for (index, method) in Method::ALL.into_iter().enumerate() {
            assert_eq!(method.index(), index);
            assert_eq!(Method::parse(method.as_str()), method);
        }
    }
}
