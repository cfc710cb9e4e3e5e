//! Random bytes for ids. Each thread has its own generator, seeded by the system, so threads share
//! no lock.

use std::cell::Cell;

use rand::Rng;

/// The generator xoshiro256++ of Blackman and Vigna. Its numbers are not fit for secrets.
///
/// It is not that of a library, because each request [stirs](Generator::stir) its time into the
/// state. After a fork, parent and child would make the same ids otherwise.
#[derive(Clone, Copy)]
struct Generator([u64; 4]);

impl Generator {
    fn seeded() -> Self {
        let mut system = rand::make_rng::<rand::rngs::SmallRng>();
        Self(std::array::from_fn(|_| system.next_u64()))
    }

    #[inline]
    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// Changes all numbers that follow.
    #[inline]
    fn stir(&mut self, number: u64) {
        // The factor is odd, so different numbers stay different. It spreads them over all bits.
        self.0[0] ^= number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

thread_local! {
    static GENERATOR: Cell<Option<Generator>> = const { Cell::new(None) };
}

/// Calls `f` with the generator of this thread.
#[inline]
fn with_generator<R>(f: impl FnOnce(&mut Generator) -> R) -> R {
    // `try_with` is inlined into other code units, `with` is not.
    let kept = GENERATOR.try_with(Cell::get).ok().flatten();
    let mut generator = kept.unwrap_or_else(Generator::seeded);
    let result = f(&mut generator);
    let _ = GENERATOR.try_with(|kept| kept.set(Some(generator)));
    result
}

/// Makes the numbers of this thread depend on `number`, for example the time.
#[inline]
pub(crate) fn stir(number: u64) {
    with_generator(|generator| generator.stir(number));
}

/// Fills `bytes` with random bytes that are not fit for secrets.
#[inline]
pub(crate) fn fill<const N: usize>(bytes: &mut [u8; N]) {
    with_generator(|generator| {
        for chunk in bytes.chunks_mut(8) {
            for (to, from) in chunk.iter_mut().zip(generator.next().to_le_bytes()) {
                *to = from;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference implementation with the state 1, 2, 3, 4.
    #[test]
    fn the_numbers_are_those_of_the_reference() {
        let mut generator = Generator([1, 2, 3, 4]);
        let numbers: Vec<_> = (0..4).map(|_| generator.next()).collect();
        assert_eq!(numbers, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    /// After a fork, two processes have the same state.
    #[test]
    fn one_state_makes_different_ids_at_different_times() {
        let forked = Generator::seeded();
        let ids = |time: u64| {
            let mut generator = forked;
            generator.stir(time);
            [generator.next(), generator.next(), generator.next()]
        };
        let mut all: Vec<_> = (0..10_000).flat_map(ids).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 30_000);
    }
}
