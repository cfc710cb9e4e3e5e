//! The head of a response, independent of the framework.

use super::headers::{HeaderLookup, first_header, length, length_header};

/// The properties of a body that the response's head states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) content_length: Option<u64>,
    /// `true` if the content type is `text/event-stream`, in any case.
    pub(crate) is_event_stream: bool,
}

impl ResponseHead {
    /// Reads the head in one pass, if the headers can be listed: see
    /// [`FoundHeaders`](crate::http::found_headers::FoundHeaders).
    #[inline]
    pub(crate) fn of(headers: &dyn HeaderLookup) -> Self {
        let mut this = Self::default();
        let (mut lengths, mut types) = (0_u32, 0_u32);
        let listed = headers.all(&mut |name, value| match name.len() {
            14 if name == "content-length" => {
                lengths = lengths.saturating_add(1);
                if lengths == 1 {
                    this.content_length = length(value);
                }
            }
            12 if name == "content-type" => {
                types = types.saturating_add(1);
                if types == 1 {
                    this.is_event_stream = is_event_stream(value);
                }
            }
            _ => {}
        });
        if !listed {
            this.content_length = length_header(headers, "content-length");
            this.is_event_stream = first_header(headers, "content-type", is_event_stream).unwrap_or(false);
        }
        this
    }
}

fn is_event_stream(content_type: &[u8]) -> bool {
    const EVENT_STREAM: &[u8; 17] = b"text/event-stream";
    // Most other content types differ in this letter.
    let is = |start: &[u8; 17]| start[5] | 0x20 == b'e' && start.eq_ignore_ascii_case(EVENT_STREAM);
    content_type.first_chunk().is_some_and(is)
}
