//! The encoding of labels, which is the same in both formats, and the validation of names.

use crate::outputs::metrics::family::{Family, Kind, Sample};

/// The name and the value of a label.
pub(super) type Label<'a> = (&'a str, &'a str);

/// Collects the labels of a sample into `out`: its own labels, then the common ones, each name
/// once.
///
/// A registry appends its common labels to those of the user's metrics, even if a name occurs
/// twice.
pub(super) fn collect<'a>(family: &'a Family, sample: &'a Sample, out: &mut Vec<Label<'a>>) {
    let reserved = match family.kind {
        Kind::Histogram => "le",
        Kind::Summary => "quantile",
        Kind::Counter | Kind::Gauge | Kind::Untyped => "",
    };
    for (name, value) in sample.labels.iter().chain(family.common.iter()) {
        if name != reserved && !out.iter().any(|(other, _)| other == name) {
            out.push((name, value));
        }
    }
}

/// Returns true if all labels of a sample have valid names.
#[cfg(feature = "prometheus")]
pub(super) fn are_valid(family: &Family, sample: &Sample) -> bool {
    sample.labels.iter().chain(family.common.iter()).all(|(name, _)| is_label_name(name))
}

/// Writes the text between the braces.
pub(super) fn write(out: &mut Vec<u8>, labels: &[Label<'_>]) {
    for (number, (name, value)) in labels.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        escape(out, value, true);
        out.push(b'"');
    }
}

pub(super) fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    // Nearly all texts need no escaping and are copied as a whole.
    if !text.bytes().any(|byte| matches!(byte, b'\\' | b'\n' | b'"')) {
        return out.extend_from_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'"' if quotes => out.extend_from_slice(br#"\""#),
            _ => out.push(byte),
        }
    }
}

/// Returns true for a text that matches `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub(super) fn is_metric_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    !name.is_empty() && name.bytes().all(allowed) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Returns true for a text that matches `[a-zA-Z_][a-zA-Z0-9_]*`, except the reserved name for the
/// metric's name.
#[cfg(feature = "prometheus")]
fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':') && name != "__name__"
}
