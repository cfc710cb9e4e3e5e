//! The value after a name that means a secret: its end, and the words that are no secret.

use std::ops::Range;

use super::text::Text;
use crate::redact::secret_kind::SecretKind;

/// The character between a name and its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueSeparator {
    /// `=`: nearly everything after it is a value.
    Equals,
    /// `:`, after which there may be a sentence. `joined` means that no space follows.
    Colon { joined: bool },
}

/// Words that are no secret: states, kinds and formats of secrets, and types.
const WORDS: &str = " true false null none nil undefined yes no on off ok set unset empty blank missing present \
    absent required optional needed mandatory invalid valid incorrect correct wrong bad good unknown unavailable \
    available active inactive enabled disabled expired revoked rejected accepted denied failed failure error \
    success successful mismatch redacted masked hidden secret password default string str text number integer int \
    boolean bool bytes object array char usize u8 u16 u32 u64 i32 i64 f64 uuid ulid jwt jws jwe opaque bearer basic \
    digest negotiate ntlm ldap oauth oauth2 oidc openid saml saml2 mtls kerberos anonymous token session cookie \
    header query body path env file stdin prompt vault keychain keyring memory redis local lax strict new old \
    closed open opened started created too not is was must should will can cannot could has have does did the a an \
    in for of to from with without or and at by as md5 sha1 sha256 sha384 sha512 hs256 rs256 es256 ed25519 rsa \
    bcrypt scrypt argon2 argon2i argon2id pbkdf2 hmac base64 base64url base32 hex utf8 pem der p256 x509 h2 ";

/// Returns the value that starts at `start`.
pub(super) fn find(
    text: Text<'_>,
    start: usize,
    kind: SecretKind,
    place: ValueSeparator,
    quoted_name: bool,
) -> Option<Range<usize>> {
    let mut start = start;
    for wrapper in ["Some(", "Ok("] {
        if text.starts_with(start, wrapper) {
            start = start.saturating_add(wrapper.len());
        }
    }
    let mut list = false;
    if text.at(start) == b'[' && b"\"'".contains(&text.at(start.saturating_add(1))) {
        start = start.saturating_add(1);
        list = true;
    }
    let escaped = text.at(start) == b'\\';
    let mark = text.at(start.saturating_add(usize::from(escaped)));
    if mark == b'"' || mark == b'\'' {
        let from = start.saturating_add(if escaped { 2 } else { 1 });
        let mut end = end_of_quote(text, from, mark, escaped);
        if list {
            // All texts of the list.
            while text.starts_with(end, "\", ") || text.starts_with(end, "\",\"") {
                let next = text.run(end.saturating_add(2), |b| b == b' ');
                if text.at(next) != mark {
                    break;
                }
                end = end_of_quote(text, next.saturating_add(1), mark, escaped);
            }
        }
        return is_secret_text(text.slice(from, end)).then_some(from..end);
    }
    if quoted_name && place != ValueSeparator::Equals {
        // A number in JSON.
        let end = text.run(start, |b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        let number = text.at(start).is_ascii_digit() || text.at(start) == b'-';
        return (number && !matches!(kind, SecretKind::Count)).then_some(start..end);
    }
    let end = end_of_word(text, start, MOST);
    let word = text.slice(start, end);
    match kind {
        SecretKind::Authorization => return authorization(text, start, end, place),
        SecretKind::Cookie if word.contains('=') || place == ValueSeparator::Equals => {
            let whole = text.run(end, |b| !b.is_ascii_whitespace() && !b";\"'".contains(&b));
            return Some(start..end_of_cookies(text, whole)).filter(|_| is_secret_text(word));
        }
        _ => {}
    }
    let secret = match place {
        ValueSeparator::Equals => {
            // A known word may begin a phrase.
            let phrase = kind == SecretKind::Password && is_word(word) && is_phrase(text, end);
            phrase || is_secret_text(word) && !(kind == SecretKind::Count && is_number(word))
        }
        ValueSeparator::Colon { joined } => {
            let alone = !text.starts_with(end, " ") || !text.at(end.saturating_add(1)).is_ascii_alphabetic();
            is_secret_word(word, kind, alone, joined)
        }
    };
    if !secret {
        return None;
    }
    let end = end_of_word(text, start, usize::MAX);
    let end = if kind == SecretKind::Password { end_of_phrase(text, end) } else { end };
    Some(start..end)
}

/// The maximum number of bytes that decide if a word is a secret.
const MOST: usize = 128;

/// Returns the end of a word, of which at most `most` bytes are read. A comma or an apostrophe
/// within a word is part of it.
fn end_of_word(text: Text<'_>, start: usize, most: usize) -> usize {
    let mut end = start;
    let limit = start.saturating_add(most);
    loop {
        end = text.run_within(end, limit.saturating_sub(end), |b| {
            !b.is_ascii_whitespace() && !b"&,;)}\"'`<|".contains(&b)
        });
        let next = text.at(end.saturating_add(1));
        let within = match text.at(end) {
            b',' => next.is_ascii_alphanumeric() && !is_pair(text, end.saturating_add(1)),
            // `Secret("abc")`
            b'"' => end > start && (text.before(end) == b'(' || next == b')'),
            b'\'' | b'`' => next.is_ascii_alphanumeric() && end > start,
            _ => false,
        };
        if !within || end >= limit {
            return end;
        }
        end = end.saturating_add(1);
    }
}

/// Returns the end of a password of several words, whose first word ends at `end`.
fn end_of_phrase(text: Text<'_>, end: usize) -> usize {
    let mut end = end;
    loop {
        let separators = text.run(end, |b| b == b' ' || b == b',');
        let next = text.at(separators);
        if separators == end
            || !(next.is_ascii_graphic() || next >= 0x80)
            || b"&;)}]\"'`<|([{-".contains(&next)
        {
            return end;
        }
        if is_pair(text, separators) {
            return end;
        }
        end = end_of_word(text, separators, usize::MAX);
        if end == separators {
            return end;
        }
    }
}

/// Returns `true` if another word follows the word that ends at `end`, and is no name of a value.
fn is_phrase(text: Text<'_>, end: usize) -> bool {
    let next = end.saturating_add(1);
    text.at(end) == b' ' && text.at(next).is_ascii_alphanumeric() && !is_pair(text, next)
}

/// Returns the end of the pairs of a `Cookie` or `Set-Cookie` header.
fn end_of_cookies(text: Text<'_>, end: usize) -> usize {
    let mut end = end;
    while text.at(end) == b';' {
        let next = text.run(end.saturating_add(1), |b| b == b' ');
        let word = text.run(next, |b| !b.is_ascii_whitespace() && !b";\"'".contains(&b));
        if word == next {
            break;
        }
        end = word;
    }
    end
}

/// Returns the credentials of an `Authorization` header: everything after its scheme.
fn authorization(text: Text<'_>, start: usize, end: usize, place: ValueSeparator) -> Option<Range<usize>> {
    let scheme = text.slice(start, end);
    let next = text.run(end, |b| b == b' ' || b == b'\t');
    let first = end_of_word(text, next, MOST);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && scheme.len() <= 24;
    let credentials = text.slice(next, first);
    let prose =
        credentials.bytes().all(|b| b.is_ascii_lowercase()) && text.at(first) == b' ' || is_word(credentials);
    if is_scheme && next > end && !credentials.is_empty() && !is_parameter(text, next) && !prose
        || is_scheme && next > end && is_parameters(text, next)
    {
        return Some(next..end_of_parameters(text, next));
    }
    let secret = match place {
        ValueSeparator::Equals => is_secret_text(scheme),
        ValueSeparator::Colon { joined } => is_secret_word(scheme, SecretKind::Token, first == next, joined),
    };
    secret.then(|| start..end_of_word(text, start, usize::MAX))
}

/// Returns `true` if a name and a `=` start at `at`, and more follows than the padding of base64.
fn is_parameter(text: Text<'_>, at: usize) -> bool {
    let end = text.run_within(at, MOST, |b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    let next = text.at(end.saturating_add(1));
    end > at && text.at(end) == b'=' && (next.is_ascii_alphanumeric() || b"\"'/".contains(&next))
}

/// Returns `true` if a parameter of a scheme starts here, and another one follows or it is quoted:
/// `username="jane"`, `Credential=AKIA/20260101, `.
fn is_parameters(text: Text<'_>, at: usize) -> bool {
    let name = text.run_within(at, MOST, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let value = name.saturating_add(1);
    let end = text.run_within(value, MOST, |b| !b.is_ascii_whitespace());
    text.at(name) == b'=' && (text.at(value) == b'"' || text.before(end) == b',')
}

/// Returns the end of credentials: one word, or parameters with commas between.
fn end_of_parameters(text: Text<'_>, start: usize) -> usize {
    let mut at = start;
    loop {
        at = text.run(at, |b| !b.is_ascii_whitespace() && !b",\"';)}".contains(&b));
        if text.at(at) == b'"' && text.before(at) == b'=' {
            at = end_of_quote(text, at.saturating_add(1), b'"', false).saturating_add(1).min(text.len());
        }
        if text.at(at) != b',' {
            return at;
        }
        let next = text.run(at.saturating_add(1), |b| b == b' ');
        if !is_pair(text, next) {
            return at;
        }
        at = next;
    }
}

/// Returns `true` if a name and a `=` or `:` start at `at`: the next pair.
fn is_pair(text: Text<'_>, at: usize) -> bool {
    let end = text.run_within(at, MOST, |b| b.is_ascii_alphanumeric() || b"_-.[]".contains(&b));
    end > at && (matches!(text.at(end), b'=' | b':') || text.starts_with(end, " = "))
}

/// Returns the end of the quoted text that started with `mark`, or the end of the whole text.
fn end_of_quote(text: Text<'_>, start: usize, mark: u8, escaped: bool) -> usize {
    let mut at = start;
    loop {
        at = text.run(at, |b| b != mark && b != b'\\');
        if at >= text.len() || text.at(at) == mark {
            return at;
        }
        // In an escaped text, `\"` ends the quoted text. Otherwise it is part of it.
        let next = at.saturating_add(1);
        if escaped && text.at(next) == mark {
            return at;
        }
        // Skips the backslash and an ASCII character after it. The next run skips any longer
        // character, which contains neither the mark nor a backslash.
        at = if text.at(next).is_ascii() { next.saturating_add(1).min(text.len()) } else { next };
    }
}

fn is_word(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.bytes().all(|b| b.is_ascii_alphanumeric())
        && WORDS.split(' ').any(|word| !word.is_empty() && word == lower)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Returns `true` if a text after `=` or in quotes may be a secret: it is no known word, no
/// placeholder such as `${PASSWORD}`, `<token>` and `****`, and no punctuation mark.
fn is_secret_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let placeholder = match bytes {
        [b'$', b'{' | b'(', ..] | [b'{', b'{', ..] | [b'{', b'}'] | [b'%', b's'] => true,
        [b'$', name @ ..] => name.iter().all(|b| b.is_ascii_uppercase() || *b == b'_'),
        [b'<', inner @ .., b'>'] => inner.iter().all(|b| b.is_ascii_alphabetic() || b"_- ".contains(b)),
        _ => {
            bytes.iter().all(|b| b"*.-".contains(b))
                || bytes.len() > 2 && bytes.iter().all(|b| b"xX".contains(b))
        }
    };
    let has_letter = bytes.iter().any(|b| b.is_ascii_alphanumeric() || !b.is_ascii());
    // `token = parser.next()` is a line of a program.
    let code = bytes.last() == Some(&b'(');
    !placeholder && !code && !is_word(text) && (has_letter || bytes.len() > 2)
}

/// Returns `true` if a word after `:` is a secret and not a part of a sentence. `alone` means that
/// no other word follows.
fn is_secret_word(word: &str, kind: SecretKind, alone: bool, joined: bool) -> bool {
    let word = word.trim_end_matches(['.', '!', '?', ':']);
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    if !is_secret_text(word) || word.starts_with(['$', '<', '{', '[', '(', '/', '.', '&']) {
        return false;
    }
    let strong = matches!(kind, SecretKind::Password | SecretKind::Key);
    let letters = has(u8::is_ascii_alphabetic);
    if is_number(word) {
        let long = if strong || kind == SecretKind::Pin { 3 } else { 8 };
        // `auth:8080` is a host with its port.
        return kind != SecretKind::Count && alone && !joined && !word.contains('.') && word.len() >= long;
    }
    if word.contains("://") || word.contains("::") || word.contains('/') && word.len() < 24 && !strong {
        return false;
    }
    let symbols = has(|b| b"!@#$%^*~+=?".contains(b));
    let random = letters && (has(u8::is_ascii_digit) || symbols) && word.len() >= if strong { 4 } else { 8 };
    // `password: correcthorse`, but not `password: rejected`.
    let plain = strong
        && alone
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || !b.is_ascii() || b"-_".contains(&b))
        && !["ed", "ing", "String", "able"].iter().any(|end| word.ends_with(end));
    random || plain
}
