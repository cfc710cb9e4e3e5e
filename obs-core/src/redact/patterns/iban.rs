//! International bank account numbers (ISO 13616): a country, two check digits, and up to 30
//! letters and digits.

use std::ops::Range;

use super::text::Text;

/// The countries with IBANs, each with the length of its IBANs. The last line has countries that
/// use IBANs but are not in the registry yet.
const LENGTHS: &[u8] = b"\
    AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27\
    GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22\
    MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28\
    TL23TN24TR26UA29VA22VG24XK20YE30\
    AO25BF28BJ28CF27CG27CI28CM27CV25DZ26GA27GQ27GW25IR26KM27MA28MG27ML28MZ25NE28SN28TD27TG28";

/// Returns the IBAN whose check digits start at `at`, the start of a run of digits.
pub(super) fn find(text: Text<'_>, at: usize) -> Option<Range<usize>> {
    let start = at.checked_sub(2)?;
    if !text.before(at).is_ascii_alphabetic() || text.before(start).is_ascii_alphanumeric() {
        return None;
    }
    let country = [text.at(start).to_ascii_uppercase(), text.before(at).to_ascii_uppercase()];
    let length = length(country)?;

    // The check (ISO 7064) uses the remainder of the number after its first four characters were
    // moved to its end.
    let (mut count, mut digits, mut remainder, mut end) = (2_usize, 0_usize, 0_u32, at);
    let mut head = 0;
    let mut groups = false;
    while count < length {
        let byte = text.at(end);
        if byte == b' ' && count >= 4 && !has_double_space(text, end) {
            groups = true;
            end = end.saturating_add(1);
            continue;
        }
        let value = char::from(byte).to_digit(36)?;
        digits = digits.saturating_add(usize::from(byte.is_ascii_digit()));
        if count < 4 {
            head = append_mod_97(head, byte.is_ascii_digit().then_some(value)?);
        } else {
            remainder = append_mod_97(remainder, value);
        }
        count = count.saturating_add(1);
        end = end.saturating_add(1);
    }
    for letter in country {
        remainder = append_mod_97(remainder, char::from(letter).to_digit(36)?);
    }
    let remainder = remainder.saturating_mul(100).saturating_add(head) % 97;
    // A sequence of words can look like groups, but an IBAN has more digits.
    let plausible = !groups || digits.saturating_mul(3) >= length;
    (remainder == 1 && plausible && !text.at(end).is_ascii_alphanumeric()).then_some(start..end)
}

/// Returns `true` if the space at `at` is followed by another one. Two spaces are not a separator.
fn has_double_space(text: Text<'_>, at: usize) -> bool {
    text.at(at.saturating_add(1)) == b' '
}

fn append_mod_97(remainder: u32, value: u32) -> u32 {
    let factor = if value < 10 { 10 } else { 100 };
    remainder.saturating_mul(factor).saturating_add(value) % 97
}

fn length(country: [u8; 2]) -> Option<usize> {
    LENGTHS.chunks_exact(4).find_map(|entry| {
        let digits = std::str::from_utf8(entry.strip_prefix(&country)?).ok()?;
        digits.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use crate::redact::patterns::tests::{check, harmless};

    #[test]
    fn ibans_are_masked() {
        // Examples from the registry.
        for iban in [
            "DE89 3704 0044 0532 0130 00",
            "GB29 NWBK 6016 1331 9268 19",
            "FR14 2004 1010 0505 0001 3M02 606",
            "NO93 8601 1117 947",
            "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
            "LC55 HEMM 0001 0001 0012 0012 0002 3015",
            "NL91 ABNA 0417 1643 00",
            "CH93 0076 2011 6238 5295 7",
            "AT61 1904 3002 3457 3201",
            "BE68 5390 0754 7034",
            "ES91 2100 0418 4502 0005 1332",
            "IT60 X054 2811 1010 0000 0123 456",
            "SC18 SSCB 1101 0000 0000 0000 1497 USD",
            "QA58 DOHB 0000 1234 5678 90AB CDEF G",
            "SE45 5000 0000 0583 9825 7466",
            "BR18 0036 0305 0000 1000 9795 493C 1",
        ] {
            let compact = iban.replace(' ', "");
            check(&[
                (iban, "[REDACTED]"),
                (&compact, "[REDACTED]"),
                (&compact.to_lowercase(), "[REDACTED]"),
                (&format!("from {iban} to"), "from [REDACTED] to"),
                (&format!("({compact})."), "([REDACTED])."),
                (&format!("ä{compact}ö iban_{iban}_"), "ä[REDACTED]ö iban_[REDACTED]_"),
            ]);
        }
    }

    #[test]
    fn other_texts_are_not_masked() {
        harmless(&[
            "DE88370400440532013000",
            "DE8937040044053201300",
            "DE893704004405320130001",
            "xDE89370400440532013000",
            "DE89  3704 0044 0532 0130 00",
            "ZZ89370400440532013000",
            "AB12CD34EF56",
            "no93 times out of a hundred that is fine",
            "at20 and so on and on it goes",
            "DE8",
            "DE89",
            "E89370400440532013000",
        ]);
    }
}
