//! The columns that the readable events and the readable log lines have in common.

/// The width of the service's name, in characters.
pub(crate) const SERVICE: usize = 9;

/// The first digits of a trace id that are shown.
pub(crate) const TRACE: usize = 7;

/// Returns the number of characters.
pub(crate) fn characters(text: &str) -> usize {
    text.chars().count()
}

/// Cuts a text in the middle to at most `width` characters. Texts usually differ at the beginning
/// or at the end.
#[inline(never)]
pub(crate) fn cut(text: &str, width: usize) -> String {
    let length = characters(text);
    if length <= width {
        return text.to_owned();
    }
    let head = width / 2;
    let tail = length.saturating_sub(width.saturating_sub(head).saturating_sub(1));
    let mut cut = String::with_capacity(text.len());
    for (n, character) in text.chars().enumerate() {
        if n == head {
            cut.push('…');
        }
        if n < head || n >= tail {
            cut.push(character);
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_in_the_middle() {
        assert_eq!(cut("inventory", 9), "inventory");
        assert_eq!(cut("checkout-service", 9), "chec…vice");
        assert_eq!(cut("äöüäöüäöüx", 9), "äöüä…äöüx");
    }
}
