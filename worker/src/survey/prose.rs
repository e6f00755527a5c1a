//! Distinguishes sentences from values such as names, addresses, numbers and codes.

/// A sentence has at least this many words,
const WORDS: usize = 6;
/// and at least this many of them begin with a small letter, unlike most words of a name or an
/// address.
const SMALL: usize = 3;
/// Letters that count as one word in scripts that write no blanks.
const LETTERS_OF_A_WORD: usize = 4;

/// Returns whether a text is a sentence or more. When in doubt it is not: what is taken for a
/// value is encrypted as a whole.
pub(super) fn is_prose(text: &str) -> bool {
    let (mut words, mut small, mut unspaced) = (0, 0, 0);
    for word in text.split_whitespace() {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let unspaced_letters = word.chars().filter(|c| is_unspaced(*c)).count();
        if unspaced_letters > 0 {
            unspaced += unspaced_letters;
        } else if !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | '’' | '-')) {
            words += 1;
            small += usize::from(word.starts_with(|c: char| !c.is_uppercase()));
        }
        if words + unspaced / LETTERS_OF_A_WORD >= WORDS && small + unspaced / LETTERS_OF_A_WORD >= SMALL {
            return true;
        }
    }
    false
}

/// Returns whether a letter is of a script that writes no blanks between words.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_prose() {
        for text in [
            "Please call me back on +44 20 7946 0042 after five, thanks a lot.",
            "Bitte rufen Sie mich an, meine Nummer ist 030 901820.",
            "l'adresse a changé, écrivez-moi à ann@example.com s'il vous plaît",
            "请在下午五点以后给我打电话谢谢我的号码是手机一三八零零一三八零零零谢谢你",
        ] {
            assert!(is_prose(text), "{text}");
        }
    }

    #[test]
    fn names_addresses_numbers_and_codes_are_no_prose() {
        for text in [
            "",
            "123-45-6789",
            "Anna Maria Schmidt",
            "Dr. Juan Carlos de la Cruz Martinez",
            "ann@example.com",
            "12 Main Street, Springfield, United States",
            "1600 Pennsylvania Avenue NW, Washington, DC 20500",
            "東京都千代田区丸の内一丁目九番一号",
            "DE89 3704 0044 0532 0130 00",
            "https://example.com/a/b?c=d",
            "call me +44 20 7946 0042",
            "a1 b2 c3 d4 e5 f6 g7 h8",
        ] {
            assert!(!is_prose(text), "{text}");
        }
    }
}
