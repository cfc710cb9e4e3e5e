//! The neutral view of a response's head.

use super::headers::{HeaderLookup, first_header, length, length_header};

/// What a response's head says of its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) content_length: Option<u64>,
    /// `text/event-stream`, in any case.
    pub(crate) is_event_stream: bool,
}

impl ResponseHead {
    /// In one pass, where the headers can be listed: see [`Wanted`](crate::wanted::Wanted).
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
    // Most others are told apart by one letter.
    let is = |start: &[u8; 17]| start[5] | 0x20 == b'e' && start.eq_ignore_ascii_case(EVENT_STREAM);
    content_type.first_chunk().is_some_and(is)
}
