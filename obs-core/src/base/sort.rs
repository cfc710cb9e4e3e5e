//! A small sort for lists that are rarely sorted.

use std::{cmp::Ordering, mem};

/// Sorts the items. Equal items keep their order.
///
/// The standard library's sorts are faster, but add several kilobytes of code for each type. Most
/// of this one is compiled only once.
pub(crate) fn sort_by<T>(items: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let order = order(items.len(), &|one, other| match (items.get(one), items.get(other)) {
        (Some(one), Some(other)) => compare(one, other).is_gt(),
        _ => false,
    });
    let mut unsorted: Vec<_> = mem::take(items).into_iter().map(Some).collect();
    items.extend(order.into_iter().filter_map(|at| unsorted.get_mut(at)?.take()));
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
