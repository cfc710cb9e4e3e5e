//! A corpus of texts that measures redaction: hostile texts with a secret, and harmless texts of
//! services. It is written from the documentation of providers and from texts of real programs, not
//! from the tables of the redactor.
//!
//! `cargo test -p obs-tests --test redaction -- --nocapture` prints the figures of
//! `docs/privacy.md`, and each text that is wrong.

mod harmless;
mod hostile;
mod random;

use obs_core::{Redaction, Redactor};

use hostile::{Hostile, HostilePlace};
use random::Random;

fn redactor() -> Redactor {
    Redaction::new().build().expect("valid")
}

/// Redacts a text as its place does.
fn redacted(redactor: &Redactor, hostile: &Hostile) -> String {
    let text = &hostile.text;
    match hostile.place {
        HostilePlace::Text => redactor.text(text),
        HostilePlace::Query => redactor.query(text),
        HostilePlace::Path => redactor.path(text),
        HostilePlace::Value(name) => redactor.value(name, text),
    }
    .into_owned()
}

fn percent(part: usize, all: usize) -> f64 {
    part as f64 * 100.0 / all as f64
}

#[test]
fn at_most_two_percent_of_the_hostile_texts_keep_their_secret() {
    let (redactor, all) = (redactor(), hostile::all(&mut Random::new(1)));
    assert!(all.len() >= 500, "{}", all.len());
    let mut missed = 0;
    for hostile in &all {
        let out = redacted(&redactor, hostile);
        if hostile.secrets.iter().any(|secret| out.contains(secret)) {
            missed += 1;
            println!("missed: {} -> {out}", hostile.text);
        }
    }
    println!("{missed} of {} hostile texts are missed: {:.1} %", all.len(), percent(missed, all.len()));
    assert!(missed * 100 <= all.len() * 2, "{missed} of {}", all.len());
}

#[test]
fn at_most_half_a_percent_of_the_harmless_texts_are_masked() {
    let (redactor, all) = (redactor(), harmless::all(&mut Random::new(2)));
    assert!(all.len() >= 2_000, "{}", all.len());
    let mut wrong = 0;
    for text in &all {
        let out = redactor.text(text);
        if out != *text {
            wrong += 1;
            println!("masked: {text} -> {out}");
        }
    }
    println!("{wrong} of {} harmless texts are masked: {:.2} %", all.len(), percent(wrong, all.len()));
    assert!(wrong * 200 <= all.len(), "{wrong} of {}", all.len());
}

/// One number in ten has the check digit of a card. So at most one in ten numbers of an issuer is
/// taken for a card, and none of the others.
#[test]
fn numbers_are_taken_for_cards_at_the_rate_of_their_check_digit() {
    let (redactor, mut random) = (redactor(), Random::new(3));
    let masked = |number: &str| redactor.text(number) != *number;
    let count = 20_000;
    let of_issuer = |random: &mut Random| {
        let prefix = *random.one(&["4", "51", "55", "2221", "34", "37", "6011", "62", "3528"]);
        let length = if prefix.starts_with("34") || prefix.starts_with("37") { 15 } else { 16 };
        format!("{prefix}{}", random.text("0123456789", length - prefix.len()))
    };
    let issued = (0..count).filter(|_| masked(&of_issuer(&mut random))).count();
    let other = |random: &mut Random| {
        let prefix = *random.one(&["0", "1", "7", "96", "2000", "2800", "8800"]);
        format!("{prefix}{}", random.text("0123456789", 16 - prefix.len()))
    };
    let others = (0..count).filter(|_| masked(&other(&mut random))).count();
    let any = |random: &mut Random| {
        let length = 13 + random.below(7);
        random.text("0123456789", length)
    };
    let anything = (0..count).filter(|_| masked(&any(&mut random))).count();
    println!(
        "numbers taken for cards: {:.1} % with the prefix of an issuer, {:.1} % of those without, {:.1} % of all",
        percent(issued, count),
        percent(others, count),
        percent(anything, count)
    );
    assert!((0.09..0.11).contains(&(issued as f64 / count as f64)), "{issued}");
    assert_eq!(others, 0);
    assert!(anything * 10 <= count, "{anything}");
}
