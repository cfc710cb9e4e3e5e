//! The request that every setting is sent, and its answer.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::LazyLock,
};

pub(crate) const PATH: &str = "/items/7";

pub(crate) const ANSWER: &str = "item 7";

/// Who sends it: a server tells that of every request.
pub(crate) const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 17), 40_000));

pub(crate) type Header = (&'static str, &'static str);

/// What all requests have.
const PLAIN: [Header; 3] = [("host", "shop.example"), ("user-agent", "bench/1.0"), ("accept", "*/*")];

/// So many callers have traces of their own. The last halves of their ids are spread evenly, because those decide what a
/// sampler of ratios takes: of any thousand in a row it takes its exact share.
pub(crate) const CALLERS: u64 = 1_000;

static CALLS: LazyLock<Vec<[Header; 2]>> = LazyLock::new(|| {
    (0..CALLERS)
        .map(|number| {
            // Coprime to the number of callers, so that neighbours are far apart and none is left out.
            let part = (number * 617 + 300) % CALLERS;
            let low = u64::MAX / CALLERS * part + 0x3_0d2c_6b5a;
            let id = format!("0193a5b2-7c1d-7e43-9a56-{:012x}", low >> 16);
            let trace = format!("00-4bf92f3577b34da6{low:016x}-{:016x}-01", low | 1);
            [("x-request-id", &*id.leak()), ("traceparent", &*trace.leak())]
        })
        .collect()
});

/// The headers of the request of this number. Every second one comes from a caller that has an id and a trace already.
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
            // As the SDK decides.
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
