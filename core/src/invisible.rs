//! Characters that nobody sees, and that are therefore no part of an address or a number.

/// Returns whether a character is default-ignorable (Unicode 16, `Default_Ignorable_Code_Point`):
/// marks of writing direction, zero-width blanks and joiners, the soft hyphen, variation selectors.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_digits_blanks_and_marks_are_visible() {
        for c in ['a', ' ', '\u{a0}', 'é', '\u{301}', '漢', '４', '٤', '🙂', '\u{2011}'] {
            assert!(!is_invisible(c), "{c:?}");
        }
        for c in ['\u{ad}', '\u{200b}', '\u{200d}', '\u{200f}', '\u{2066}', '\u{feff}', '\u{fe0f}', '\u{e0020}'] {
            assert!(is_invisible(c), "{c:?}");
        }
    }
}
