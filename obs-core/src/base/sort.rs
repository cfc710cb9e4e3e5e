//! A small sort for lists that are rarely sorted.

use std::{cmp::Ordering, mem};

/// Sorts the items. Equal items keep their order.
///
/// The standard library's sorts are faster, but add several kilobytes of code for each type. Most
/// of this one is compiled only once.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let order = order(items.len(), &|one, other| match (items.get(one), items.get(other)) {
        (Some(one), Some(other)) => compare(one, other).is_gt(),
        _ => false,
    });
    apply(order, &mut |one, other| items.swap(one, other));
}

/// Returns the indices `0..items` in sorted order. Merges runs that double in length with each
/// pass.
fn order(items: usize, is_behind: &dyn Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..items).collect();
    let mut merged = Vec::with_capacity(items);
    let mut length = 1;
    while length < items {
        for runs in order.chunks(length.saturating_mul(2)) {
            let (left, right) = runs.split_at_checked(length).unwrap_or((runs, &[]));
            let mut right = right.iter().copied().peekable();
            for left in left.iter().copied() {
                while let Some(right) = right.next_if(|right| is_behind(left, *right)) {
                    merged.push(right);
                }
                merged.push(left);
            }
            merged.extend(right);
        }
        mem::swap(&mut order, &mut merged);
        merged.clear();
        length = length.saturating_mul(2);
    }
    order
}

/// Brings items into the given order: the item at the index `order[n]` goes to the index `n`.
fn apply(mut order: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for first in 0..order.len() {
        // Follows the cycle of indices that begins here. Indices that are done point to themselves.
        let mut to = first;
        while let Some(from) = order.get_mut(to).map(|from| mem::replace(from, to))
            && from != first
        {
            swap(to, from);
            to = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(numbers in prop::collection::vec(0_u8..20, 0..200)) {
            let mut items: Vec<_> = numbers.into_iter().zip(0..).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(number, _)| *number);
            sort_by(&mut items, |(one, _), (other, _)| one.cmp(other));
            prop_assert_eq!(items, expected);
        }
    }
}
