//! The texts of a request's head that are kept, in one allocation: path, query, user agent and
//! host.

#[cfg(feature = "otel")]
use crate::http::forwarded::host::Host;
use crate::{
    base::text::bounded,
    http::{
        head::RequestHead,
        headers::{HeaderLookup, first_header},
    },
    record::user_agents,
    redact::Redactor,
    write::json_text,
};

/// The longest texts that are kept, in bytes.
const MAX_PATH: usize = 1024;
const MAX_QUERY: usize = 1024;
const MAX_HOST: usize = 256;

/// The maximum capacity that is kept for the next request, in bytes: more than most requests need.
const MOST_ROOM: usize = 1024;

/// The path, query, user agent and host, one after the other.
#[derive(Default)]
pub(crate) struct HeadText {
    /// The texts, in memory that an earlier request may have used.
    all: String,
    query_at: u16,
    user_agent_at: u16,
    host_at: u16,
    has_query: bool,
    has_user_agent: bool,
    user_agent_is_plain: bool,
}

impl HeadText {
    /// Fills it from a request's head.
    ///
    /// `headers` are those of `head`. `host` is `Some` if the host is kept: the inner `Some` is a
    /// host that the framework passes outside the headers, the inner `None` means the `Host`
    /// header.
    #[inline]
    pub(crate) fn fill(
        &mut self,
        head: &RequestHead<'_>,
        headers: &(impl HeaderLookup + ?Sized),
        redactor: &Redactor,
        host: Option<Option<&str>>,
    ) {
        let Self { all, .. } = self;
        all.clear();
        // Mask first, cut last: a secret that is cut in half would not be recognised.
        all.push_str(&bounded(&redactor.path(head.path), MAX_PATH));
        let query_at = place(all);
        if let Some(query) = head.query {
            all.push_str(&bounded(&redactor.query(query), MAX_QUERY));
        }
        let user_agent_at = place(all);
        let append = |agent: &[u8]| user_agents::append(redactor, agent, all);
        let user_agent = first_header(headers, "user-agent", append).flatten();
        let host_at = place(all);
        if let Some(text) = host {
            // A host that was cut or masked is invalid. Its validity is only checked when an output
            // uses it.
            let mut keep = |host: &str| all.push_str(&bounded(&redactor.text(host), MAX_HOST));
            if let Some(host) = text {
                keep(host);
            } else {
                let _ = first_header(headers, "host", |value| std::str::from_utf8(value).map(keep).ok());
            }
        }
        self.query_at = query_at;
        self.user_agent_at = user_agent_at;
        self.host_at = host_at;
        self.has_query = head.query.is_some();
        self.has_user_agent = user_agent.is_some();
        self.user_agent_is_plain = user_agent.unwrap_or(true);
    }

    /// Returns true if nothing in the path, query and user agent needs an escape in JSON.
    pub(crate) fn is_plain(&self) -> bool {
        self.user_agent_is_plain
            && json_text::is_plain(self.all.get(..self.user_agent_at.into()).unwrap_or_default())
    }

    /// Clears the texts and keeps their capacity, up to a limit.
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.all.shrink_to(MOST_ROOM);
    }

    pub(crate) fn path(&self) -> &str {
        self.all.get(..self.query_at.into()).unwrap_or_default()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.has_query
            .then(|| self.all.get(self.query_at.into()..self.user_agent_at.into()).unwrap_or_default())
    }

    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.has_user_agent
            .then(|| self.all.get(self.user_agent_at.into()..self.host_at.into()).unwrap_or_default())
    }

    /// The host that the client named, if it is valid.
    #[cfg(feature = "otel")]
    pub(crate) fn host(&self) -> Option<Host<'_>> {
        Host::parse(self.all.get(self.host_at.into()..)?)
    }
}

/// The start of the next text. All texts together are shorter than 64 KiB.
fn place(all: &str) -> u16 {
    u16::try_from(all.len()).unwrap_or(u16::MAX)
}
