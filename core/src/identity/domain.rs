//! Internet domain names in one spelling.

use unicode_normalization::UnicodeNormalization;

use crate::invisible::is_invisible;

/// Returns a domain in lower case and in Unicode: `XN--BCHER-KVA.example.` and `Bücher.example` are
/// one domain. A label that is no valid ACE form stays as it is.
pub(super) fn domain(text: &str) -> String {
    let mapped = mapped(text);
    let ends = |c: char| c == '.' || c.is_whitespace();
    let labels =
        mapped.trim_end_matches(ends).split('.').map(|label| decoded(label).unwrap_or_else(|| label.to_owned()));
    labels.collect::<Vec<_>>().join(".")
}

/// Compatibility forms, such as wide letters and the ideographic full stop, become plain ones.
fn mapped(text: &str) -> String {
    let once =
        |text: &str| text.nfkc().flat_map(char::to_lowercase).nfkc().collect::<String>().replace('\u{3002}', ".");
    // Lower case can compose anew, and a second pass ends that.
    once(&once(text))
}

/// Returns the Unicode form of a label that begins with `xn--`.
fn decoded(label: &str) -> Option<String> {
    let text = punycode(label.strip_prefix("xn--")?)?;
    // Only what IDNA could have encoded: a text that is its own form.
    let foreign = |c: char| matches!(c, '.' | '@') || c.is_whitespace() || is_invisible(c);
    (!text.is_ascii() && !text.contains(foreign) && mapped(&text) == text).then_some(text)
}

/// Decodes Punycode (RFC 3492, section 6.2).
fn punycode(text: &str) -> Option<String> {
    const BASE: u32 = 36;
    const T_MIN: u32 = 1;
    const T_MAX: u32 = 26;
    let (plain, digits) = text.rsplit_once('-').unwrap_or(("", text));
    if !text.is_ascii() || text.len() > 63 {
        return None;
    }
    let mut out: Vec<char> = plain.chars().collect();
    let (mut code, mut at, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = digits.chars().peekable();
    while digits.peek().is_some() {
        let (start, mut weight, mut k) = (at, 1_u32, BASE);
        loop {
            // Letters count from 0, digits from 26; `to_digit` has it the other way round.
            let digit = (digits.next()?.to_digit(BASE)? + 26) % BASE;
            at = at.checked_add(digit.checked_mul(weight)?)?;
            let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE - threshold)?;
            k += BASE;
        }
        let length = out.len() as u32 + 1;
        let mut delta = (at - start) / if start == 0 { 700 } else { 2 };
        delta += delta / length;
        k = 0;
        while delta > (BASE - T_MIN) * T_MAX / 2 {
            delta /= BASE - T_MIN;
            k += BASE;
        }
        bias = k + (BASE - T_MIN + 1) * delta / (delta + 38);
        code = code.checked_add(at / length)?;
        at %= length;
        out.insert(at as usize, char::from_u32(code)?);
        at += 1;
    }
    Some(out.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_encoded_domain_is_the_domain_in_unicode() {
        for (text, wanted) in [
            ("example.com", "example.com"),
            ("Example.COM.", "example.com"),
            ("xn--bcher-kva.example", "bücher.example"),
            ("XN--BCHER-KVA.EXAMPLE", "bücher.example"),
            ("Bu\u{308}cher.example", "bücher.example"),
            ("xn--mnchen-3ya.de", "münchen.de"),
            ("xn--fsqu00a.xn--0zwm56d", "例子.测试"),
            ("例子。测试", "例子.测试"),
            ("xn--80ak6aa92e.com", "аррӏе.com"),
            ("xn--strae-oqa.de", "straße.de"),
            ("xn--e1aybc.xn--p1ai", "тест.рф"),
            ("xn--maana-pta.com", "mañana.com"),
            ("\u{ff45}xample.com", "example.com"),
            // No ACE forms: of ASCII, of upper case, cut, not Punycode.
            ("xn--abc-.com", "xn--abc-.com"),
            ("xn--bcher-kv.example", "xn--bcher-kv.example"),
            ("xn--a!.com", "xn--a!.com"),
            ("xn--.com", "xn--.com"),
        ] {
            assert_eq!(domain(text), wanted, "{text}");
        }
        assert_eq!(punycode("BCHER-kva").as_deref(), Some("BüCHER"));
    }

    proptest! {
        #[test]
        fn the_form_of_a_domain_is_its_own_form(text in any::<String>(), ace in "xn--[a-z0-9-]{0,12}(\\.com)?") {
            for text in [text, ace] {
                let once = domain(&text);
                prop_assert_eq!(domain(&once), once);
            }
        }
    }
}
