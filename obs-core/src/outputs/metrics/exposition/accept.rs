//! The format and the encoding that a client prefers (RFC 9110 §12.5).

use super::format::Format;
use crate::{base::text::fraction, http::headers::HeaderLookup};

/// Returns the format that `Accept` prefers. A wildcard selects the text format. An unsupported
/// format selects it, too, like in Prometheus, so a scrape is never rejected.
pub(crate) fn format(headers: &dyn HeaderLookup) -> Format {
    let mut best: Option<(u16, Format)> = None;
    each_item(headers, "accept", &mut |range, parameter| {
        let version = parameter("version");
        let version = version.as_deref();
        let format = match range.to_ascii_lowercase().as_str() {
            "application/openmetrics-text" | "application/*" => match version {
                Some("1.0.0") | None => Format::OpenMetrics { draft: false },
                Some("0.0.1") => Format::OpenMetrics { draft: true },
                Some(_) => return,
            },
            "text/plain" if matches!(version, Some("0.0.4") | None) => Format::Text,
            "text/*" | "*/*" => Format::Text,
            _ => return,
        };
        let Some(quality) = quality(parameter("q")) else { return };
        // The first one wins a tie.
        if quality > best.map_or(0, |(best, _)| best) {
            best = Some((quality, format));
        }
    });
    best.map_or(Format::Text, |(_, format)| format)
}

/// Returns true if `Accept-Encoding` allows gzip and does not prefer the page as it is.
#[cfg(feature = "gzip")]
pub(crate) fn accepts_gzip(headers: &dyn HeaderLookup) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    each_item(headers, "accept-encoding", &mut |coding, parameter| {
        let Some(quality) = quality(parameter("q")) else { return };
        match coding.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(quality),
            "identity" => identity = Some(quality),
            "*" => any = Some(quality),
            _ => {}
        }
    });
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A function that looks up a parameter of an item.
type Parameter<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Calls `f` with each item of a list header and with a function that looks up its parameters.
fn each_item(headers: &dyn HeaderLookup, name: &str, f: &mut dyn FnMut(&str, &Parameter<'_>)) {
    headers.each(name, &mut |value| {
        let Ok(value) = std::str::from_utf8(value) else { return };
        for item in value.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let Some(first) = parts.next() else { continue };
            let parameters = parts.filter_map(|part| part.split_once('='));
            f(first, &|name| {
                let found = parameters.clone().find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.trim().trim_matches('"').to_owned())
            });
        }
    });
}

/// Returns the weight in thousandths, which is 1,000 for an absent one (RFC 9110 §12.4.2). `None`
/// for an invalid one: its item is ignored.
fn quality(text: Option<String>) -> Option<u16> {
    let weight = text.map_or(Some(1.0), |text| fraction(&text))?;
    Some((weight * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Values(&'static [&'static str]);
    impl HeaderLookup for Values {
        fn each(&self, _: &str, f: &mut dyn FnMut(&[u8])) {
            self.0.iter().for_each(|value| f(value.as_bytes()));
        }
    }

    const OPEN: Format = Format::OpenMetrics { draft: false };
    const DRAFT: Format = Format::OpenMetrics { draft: true };

    #[test]
    fn the_accept_headers_of_real_clients_select_a_format() {
        for (accept, expected) in [
            // The headers of Prometheus 2.42, 3.5 and 2.5, of curl, and of browsers.
            (
                &[
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ][..],
                OPEN,
            ),
            (
                &[
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ],
                OPEN,
            ),
            (
                &["application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"],
                DRAFT,
            ),
            (&["*/*"], Format::Text),
            (&["text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"], Format::Text),
            (&[], Format::Text),
            // The weight decides at any position, and then the order.
            (&["application/openmetrics-text;q=0.1, text/plain;q=0.2"], Format::Text),
            (&["text/plain;q=0.2", "application/openmetrics-text"], OPEN),
            (&["text/plain, application/openmetrics-text"], Format::Text),
            (&["Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=1"], OPEN),
            // Unsupported formats.
            (&["application/openmetrics-text;version=2.0.0"], Format::Text),
            (
                &[
                    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
                ],
                Format::Text,
            ),
            (&["application/openmetrics-text;q=0"], Format::Text),
            // An item with an invalid weight is ignored.
            (&["application/openmetrics-text;q=high, text/plain;q=0.1"], Format::Text),
            (&["text/plain;q=2, application/openmetrics-text;q=0.1"], OPEN),
            (&[",;=,q"], Format::Text),
        ] {
            assert_eq!(format(&Values(accept)), expected, "{accept:?}");
        }
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn accept_encoding_selects_gzip() {
        for (accept, expected) in [
            (&["gzip"][..], true),
            (&["deflate, gzip;q=0.5"], true),
            (&["deflate", "X-GZIP"], true),
            (&["*"], true),
            (&["gzip;q=0, *"], false),
            (&["identity"], false),
            (&["gzip;q=0.2, identity;q=0.9"], false),
            (&["gzip;q=0.9, identity;q=0.2"], true),
            (&["gzip, identity"], true),
            (&["identity;q=0.5, *;q=0.1"], false),
            (&["gzip;q=high"], false),
            (&["gzip;q=1, identity;q="], true),
            (&[], false),
        ] {
            assert_eq!(accepts_gzip(&Values(accept)), expected, "{accept:?}");
        }
    }
}
