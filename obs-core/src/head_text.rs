//! The texts of a request's head that are kept: path, query, user agent and host, in one allocation.

use std::borrow::Cow;

use crate::{RequestHead, first_header, forwarded, redact::Redactor, text::bounded};

/// The longest of each that is kept, in bytes.
const MAX_PATH: usize = 1024;
const MAX_QUERY: usize = 1024;
const MAX_USER_AGENT: usize = 256;

/// Path, query, user agent and host side by side.
pub(crate) struct HeadText {
    all: Box<str>,
    query_at: usize,
    user_agent_at: usize,
    host_at: usize,
    has_query: bool,
    has_user_agent: bool,
}

impl HeadText {
    /// `forwarded` is the host that a trusted proxy tells; `with_host` says whether any is kept.
    pub(crate) fn of(
        head: &RequestHead<'_>,
        redactor: &Redactor,
        forwarded: Option<&str>,
        with_host: bool,
    ) -> Self {
        let named = |found: &mut dyn FnMut(&str)| match forwarded.or(head.authority) {
            Some(host) => found(host),
            None => drop(first_header(head.headers, "host", |value| {
                std::str::from_utf8(value).map(&mut *found).ok()
            })),
        };
        let mut host = String::new();
        if with_host {
            named(&mut |named| {
                if let Some(valid) = forwarded::valid_host(named) {
                    host.push_str(valid);
                }
            });
        }
        // What is cut off first cannot be recognised any more, so it is cut off last.
        let path = redactor.path(head.path);
        let path = bounded(&path, MAX_PATH);
        let query = head.query.map(|query| redactor.query(query));
        let query = query.as_ref().map(|query| bounded(query, MAX_QUERY));
        let with = |user_agent: Option<Cow<'_, str>>| {
            let query_at = path.len();
            let user_agent_at = query_at.saturating_add(query.as_deref().map_or(0, str::len));
            let user_agent_text = user_agent.as_deref().unwrap_or_default();
            let all = [&*path, query.as_deref().unwrap_or_default(), user_agent_text, &host];
            Self {
                all: all.concat().into(),
                query_at,
                user_agent_at,
                host_at: user_agent_at.saturating_add(user_agent_text.len()),
                has_query: query.is_some(),
                has_user_agent: user_agent.is_some(),
            }
        };
        let user_agent = first_header(head.headers, "user-agent", |value| {
            let text = std::str::from_utf8(value).ok()?;
            let text = redactor.text(text);
            Some(with(Some(bounded(&text, MAX_USER_AGENT))))
        });
        user_agent.flatten().unwrap_or_else(|| with(None))
    }

    pub(crate) fn path(&self) -> &str {
        self.all.get(..self.query_at).unwrap_or_default()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.has_query.then(|| self.all.get(self.query_at..self.user_agent_at).unwrap_or_default())
    }

    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.has_user_agent.then(|| self.all.get(self.user_agent_at..self.host_at).unwrap_or_default())
    }

    /// The host that the client has named, with its port.
    #[cfg(feature = "otel")]
    pub(crate) fn host(&self) -> Option<&str> {
        self.all.get(self.host_at..).filter(|host| !host.is_empty())
    }
}
