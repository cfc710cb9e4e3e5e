//! A cache of redacted user agents. They repeat often, and they are the longest text of most
//! requests.

use std::{cell::RefCell, hash::BuildHasher as _};

use rustc_hash::FxBuildHasher;

use crate::{base::text::bounded, redact::Redactor, write::json};

/// The longest user agent that is recorded, in bytes.
pub(crate) const MAX_USER_AGENT: usize = 256;

/// The number of user agents that a thread remembers: a power of two.
const PLACES: usize = 64;

/// The longest user agent that is remembered, in bytes.
const MAX_REMEMBERED: usize = 512;

#[derive(Default)]
struct KnownAgent {
    /// The hash of the last user agent that was looked up here. Only one that comes twice in a row
    /// is remembered: one that comes once is not worth the memory.
    last: u64,
    known: Option<Known>,
}

struct Known {
    /// The redactor, kept alive so that no other redactor gets its address.
    redactor: Redactor,
    raw: Box<[u8]>,
    told: Box<str>,
    plain: bool,
}

thread_local! {
    static PLACES_OF_THREAD: RefCell<Vec<KnownAgent>> = const { RefCell::new(Vec::new()) };
}

/// Appends the redacted user agent. Returns true if nothing in it needs an escape in JSON, and
/// `None` if it is not UTF-8.
pub(crate) fn tell(redactor: &Redactor, raw: &[u8], out: &mut String) -> Option<bool> {
    let told = PLACES_OF_THREAD.try_with(|places| {
        let mut places = places.try_borrow_mut().ok().filter(|_| raw.len() <= MAX_REMEMBERED)?;
        if places.is_empty() {
            places.resize_with(PLACES, KnownAgent::default);
        }
        let hash = FxBuildHasher.hash_one(raw);
        let place = places.get_mut(hash as usize % PLACES)?;
        if let Some(known) =
            place.known.as_ref().filter(|known| *known.raw == *raw && known.redactor.is(redactor))
        {
            out.push_str(&known.told);
            return Some(Some(known.plain));
        }
        let before = out.len();
        let plain = redacted(redactor, raw, out);
        if let Some(plain) = plain
            && place.last == hash
        {
            let told = out.get(before..)?.into();
            place.known = Some(Known { redactor: redactor.clone(), raw: raw.into(), told, plain });
        }
        place.last = hash;
        Some(plain)
    });
    told.ok().flatten().unwrap_or_else(|| redacted(redactor, raw, out))
}

fn redacted(redactor: &Redactor, raw: &[u8], out: &mut String) -> Option<bool> {
    let text = redactor.text(std::str::from_utf8(raw).ok()?);
    // Mask first, cut last: a secret that is cut in half would not be recognised.
    let told = bounded(&text, MAX_USER_AGENT);
    out.push_str(&told);
    Some(json::is_plain(&told))
}

#[cfg(all(test, not(obs_loom)))]
mod tests {
    use super::*;
    use crate::redact::settings::Redaction;

    fn told(redactor: &Redactor, raw: &[u8]) -> Option<String> {
        let mut out = String::from("before ");
        let plain = tell(redactor, raw, &mut out)?;
        let told = out.split_off("before ".len());
        assert_eq!(plain, json::is_plain(&told));
        Some(told)
    }

    #[test]
    fn the_first_time_and_every_other_are_the_same() {
        let (on, off) = (Redaction::new(), Redaction::off());
        let (on, off) = (on.build().expect("valid"), off.build().expect("valid"));
        let long = "x".repeat(600);
        for _ in 0..4 {
            assert_eq!(told(&on, b"curl/8.5").as_deref(), Some("curl/8.5"));
            assert_eq!(told(&on, b"bot jane@example.com").as_deref(), Some("bot [REDACTED]"));
            assert_eq!(told(&off, b"bot jane@example.com").as_deref(), Some("bot jane@example.com"));
            assert_eq!(told(&on, b""), Some(String::new()));
            assert_eq!(told(&on, br#"say "hi""#).as_deref(), Some(r#"say "hi""#));
            assert_eq!(told(&on, b"\xff"), None);
            assert_eq!(told(&on, long.as_bytes()).map(|told| told.len()), Some(MAX_USER_AGENT));
        }
    }

    #[test]
    fn as_many_as_there_are_places_are_remembered_and_no_more() {
        let redactor = Redaction::new().build().expect("valid");
        for n in 0..10_000 {
            for _ in 0..2 {
                let agent = format!("agent/{n}");
                assert_eq!(told(&redactor, agent.as_bytes()), Some(agent));
            }
        }
        let known = PLACES_OF_THREAD
            .with_borrow(|places| places.iter().filter(|place| place.known.is_some()).count());
        assert_eq!(known, PLACES);
    }
}
