//! The request that is sent to every setting, and its response.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::LazyLock,
};

pub(crate) const PATH: &str = "/items/7";

pub(crate) const ANSWER: &str = "item 7";

/// The address of the client. A server sets it for every request.
pub(crate) const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 17), 40_000));

pub(crate) type Header = (&'static str, &'static str);

/// The headers of all requests.
const PLAIN: [Header; 3] = [("host", "shop.example"), ("user-agent", "bench/1.0"), ("accept", "*/*")];

/// The number of callers, each with its own trace. A ratio sampler decides by the last half of a
/// trace id. These halves are spread evenly, so of any thousand traces in a row it takes its exact
/// share.
pub(crate) const CALLERS: u64 = 1_000;

static CALLS: LazyLock<Vec<[Header; 2]>> = LazyLock::new(|| {
    (0..CALLERS)
        .map(|number| {
            // 617 is coprime to the number of callers, so neighbours are far apart and each part
            // occurs once.
            let part = (number * 617 + 300) % CALLERS;
            let low = u64::MAX / CALLERS * part + 0x3_0d2c_6b5a;
            let id = format!("0193a5b2-7c1d-7e43-9a56-{:012x}", low >> 16);
            let trace = format!("00-4bf92f3577b34da6{low:016x}-{:016x}-01", low | 1);
            [("x-request-id", &*id.leak()), ("traceparent", &*trace.leak())]
        })
        .collect()
});

/// The headers of the request with this number. Every second request is from a caller with an id
/// and a trace.
pub(crate) fn headers(number: u64) -> impl Iterator<Item = Header> {
    let call = number.is_multiple_of(2).then(|| CALLS[(number / 2 % CALLERS) as usize]);
    PLAIN.into_iter().chain(call.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{CALLERS, headers};

    #[test]
    fn a_sampler_of_one_percent_takes_one_in_a_hundred() {
        let traces: HashSet<_> =
            (0..2 * CALLERS).flat_map(headers).filter(|(name, _)| *name == "traceparent").collect();
        let sampled = traces.iter().filter(|(_, trace)| {
            let low = u64::from_str_radix(&trace[19..35], 16).expect("hexadecimal");
            // The rule of the SDK.
            low >> 1 < (0.01 * (1_u64 << 63) as f64) as u64
        });
        assert_eq!((traces.len() as u64, sampled.count() as u64), (CALLERS, CALLERS / 100));
    }

    #[test]
    fn an_id_is_as_long_as_a_uuid() {
        let id = headers(0).find(|(name, _)| *name == "x-request-id").expect("every second has one");
        assert_eq!(id.1.len(), 36);
        assert_eq!(headers(1).count(), 3);
    }
}
