//! Replacement of characters that a terminal does not show.

/// Replaces characters that move the cursor, change colours or the direction of the text, begin a
/// new line, or are invisible. Texts may come from an attacker.
#[inline(never)]
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { '·' } else { c }).collect()
}

/// Returns `true` for control characters, for Unicode's format characters (category Cf), and for
/// other characters that are invisible or end a line.
fn is_hidden(c: char) -> bool {
    // Below the soft hyphen, only control characters are hidden.
    c.is_control()
        || c >= '\u{ad}'
            && matches!(
                c,
                // Soft hyphen; combining grapheme joiner; signs and marks of Arabic and Syriac.
                '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
                | '\u{890}' | '\u{891}' | '\u{8e2}'
                // Fillers of Hangul; vowels of Khmer that are not shown; selectors of Mongolian.
                | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}'
                | '\u{ffa0}'
                // Zero-width characters and marks of direction; separators of lines and paragraphs;
                // embeddings; isolates and invisible operators.
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                // Selectors of variants; the byte order mark; annotations.
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
                // Controls of Kaithi, of hieroglyphs, of shorthand and of music.
                | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                // Tags, and further selectors of variants.
                | '\u{e0000}'..='\u{e0fff}'
            )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_a_terminal_does_not_show_are_replaced() {
        let hidden = [
            "\0",
            "\n",
            "\r",
            "\t",
            "\u{1b}",
            "\u{7f}",
            "\u{85}",
            "\u{9b}",
            "\u{ad}",
            "\u{61c}",
            "\u{200b}",
            "\u{200d}",
            "\u{200e}",
            "\u{200f}",
            "\u{2028}",
            "\u{2029}",
            "\u{202a}",
            "\u{202e}",
            "\u{2060}",
            "\u{2066}",
            "\u{2069}",
            "\u{206f}",
            "\u{180e}",
            "\u{fe0f}",
            "\u{feff}",
            "\u{fff9}",
            "\u{110bd}",
            "\u{1d173}",
            "\u{e0001}",
            "\u{e0041}",
            "\u{e007f}",
            "\u{e0100}",
        ];
        for hidden in hidden {
            assert_eq!(printable(&format!("a{hidden}b")), "a·b", "{hidden:?}");
        }
    }

    #[test]
    fn other_characters_are_unchanged() {
        let text = "größe: ½ — „schön“ 東京 🎉 “x” • … ‰ \u{a0} \u{202f} \u{301} עברית العربية ภาษาไทย";
        assert_eq!(printable(text), text);
    }
}
