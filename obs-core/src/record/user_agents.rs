//! A cache of redacted user agents. They repeat often, and they are the longest text of most
//! requests.

use std::{cell::RefCell, hash::BuildHasher as _};

use rustc_hash::FxBuildHasher;

use crate::{base::text::bounded, redact::Redactor, write::json_text};

/// The longest user agent that is recorded, in bytes.
pub(crate) const MAX_USER_AGENT: usize = 256;

/// The number of user agents that a thread remembers: a power of two.
const SLOTS: usize = 64;

/// The longest user agent that is remembered, in bytes.
const MAX_REMEMBERED: usize = 512;

#[derive(Default)]
struct AgentSlot {
    /// The hash of the last user agent that was looked up here. Only one that comes twice in a row
    /// is remembered: one that comes once is not worth the memory.
    last: u64,
    known: Option<KnownAgent>,
}

struct KnownAgent {
    /// The redactor, kept alive so that no other redactor gets its address.
    redactor: Redactor,
    raw: Box<[u8]>,
    text: Box<str>,
    plain: bool,
}

thread_local! {
    static SLOTS_OF_THREAD: RefCell<Vec<AgentSlot>> = const { RefCell::new(Vec::new()) };
}

/// Appends the redacted user agent. Returns true if nothing in it needs an escape in JSON, and
/// `None` if it is not UTF-8.
#[inline]
pub(crate) fn append(redactor: &Redactor, raw: &[u8], out: &mut String) -> Option<bool> {
    let text = SLOTS_OF_THREAD.try_with(|slots| {
        let mut slots = slots.try_borrow_mut().ok().filter(|_| raw.len() <= MAX_REMEMBERED)?;
        if slots.is_empty() {
            slots.resize_with(SLOTS, AgentSlot::default);
        }
        let hash = FxBuildHasher.hash_one(raw);
        let slot = slots.get_mut(hash as usize % SLOTS)?;
        if let Some(known) =
            slot.known.as_ref().filter(|known| *known.raw == *raw && known.redactor.is(redactor))
        {
            out.push_str(&known.text);
            return Some(Some(known.plain));
        }
        let before = out.len();
        let plain = redacted(redactor, raw, out);
        if let Some(plain) = plain
            && slot.last == hash
        {
            let text = out.get(before..)?.into();
            slot.known = Some(KnownAgent { redactor: redactor.clone(), raw: raw.into(), text, plain });
        }
        slot.last = hash;
        Some(plain)
    });
    text.ok().flatten().unwrap_or_else(|| redacted(redactor, raw, out))
}

fn redacted(redactor: &Redactor, raw: &[u8], out: &mut String) -> Option<bool> {
    let text = redactor.text(std::str::from_utf8(raw).ok()?);
    // Mask first, cut last: a secret that is cut in half would not be recognised.
    let text = bounded(&text, MAX_USER_AGENT);
    out.push_str(&text);
    Some(json_text::is_plain(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::settings::Redaction;

    fn text(redactor: &Redactor, raw: &[u8]) -> Option<String> {
        let mut out = String::from("before ");
        let plain = append(redactor, raw, &mut out)?;
        let text = out.split_off("before ".len());
        assert_eq!(plain, json_text::is_plain(&text));
        Some(text)
    }

    #[test]
    fn a_cached_user_agent_equals_a_new_one() {
        let (on, off) = (Redaction::new(), Redaction::off());
        let (on, off) = (on.build().expect("valid"), off.build().expect("valid"));
        let long = "x".repeat(600);
        for _ in 0..4 {
            assert_eq!(text(&on, b"curl/8.5").as_deref(), Some("curl/8.5"));
            assert_eq!(text(&on, b"bot jane@example.com").as_deref(), Some("bot [REDACTED]"));
            assert_eq!(text(&off, b"bot jane@example.com").as_deref(), Some("bot jane@example.com"));
            assert_eq!(text(&on, b""), Some(String::new()));
            assert_eq!(text(&on, br#"say "hi""#).as_deref(), Some(r#"say "hi""#));
            assert_eq!(text(&on, b"\xff"), None);
            assert_eq!(text(&on, long.as_bytes()).map(|text| text.len()), Some(MAX_USER_AGENT));
        }
    }

    #[test]
    fn the_number_of_cached_user_agents_is_bounded() {
        let redactor = Redaction::new().build().expect("valid");
        for n in 0..10_000 {
            for _ in 0..2 {
                let agent = format!("agent/{n}");
                assert_eq!(text(&redactor, agent.as_bytes()), Some(agent));
            }
        }
        let known =
            SLOTS_OF_THREAD.with_borrow(|slots| slots.iter().filter(|slot| slot.known.is_some()).count());
        assert_eq!(known, SLOTS);
    }
}
