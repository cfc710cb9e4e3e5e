#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailure {
    Connect,
    Dns,
    Tls,
    ConnectTimeout,
    Timeout,
    Reset,
    Incomplete,
    Body,
    Decode,
    Redirect,
    Cancelled,
    Other(&'static str),
}
impl CallFailure {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::ConnectTimeout => "connect_timeout",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Incomplete => "incomplete",
            Self::Body => "body",
            Self::Decode => "decode",
            Self::Redirect => "redirect",
            Self::Cancelled => "cancelled",
            Self::Other(o) => o,
        }
    }
}
