//! Any bytes in place of a sealed value, a dead letter, a letter's content, a token or a keys
//! Secret: they are read or refused, without a panic, and never repeated in an error. A sealed
//! value opens again, and only in its own context.

#![no_main]

use std::sync::OnceLock;

use lethe_core::{
    engine::Record,
    identity::{Reference, RootCheck, Token, TokenText},
    keys::{DataKey, KeyRing},
    letter::{self, Content},
    record::Position,
    seal::{LetterContext, Scratch, SealContext, SubjectCipher, class_of},
};
use lethe_crds::profile_pipeline::Audience;
use libfuzzer_sys::fuzz_target;

fn cipher() -> &'static SubjectCipher {
    static CIPHER: OnceLock<SubjectCipher> = OnceLock::new();
    CIPHER.get_or_init(|| SubjectCipher::new(&DataKey::new([7; 32]), "profile").expect("a cipher"))
}

fn context() -> SealContext<'static> {
    SealContext { space: "customers", token: &Token([9; 32]), audience: Audience::Operational, path: "/email" }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let text = std::str::from_utf8(data).unwrap_or_default();
    match choice % 6 {
        0 => open(text),
        1 => round_trip(data),
        2 => {
            let opened = as_letter(9, |context| cipher().open_letter(context, data).is_ok());
            assert!(!opened, "this letter was never sealed");
        }
        3 => decode(data),
        4 => parse(text),
        _ => secret(text),
    }
});

fn open(text: &str) {
    let context = context();
    let class = class_of(text);
    for text in [text.to_owned(), format!("lethe:1:profile:{text}"), format!("lethe:2:profile:{text}")] {
        let error = cipher().open(&context, &text).err().expect("this value was never sealed").to_string();
        assert!(text.len() < 20 || !error.contains(&text), "an error repeats a value");
    }
    if let Some(class) = class {
        assert!(SubjectCipher::new(&DataKey::new([8; 32]), class).is_ok(), "a class that no cipher has");
    }
}

fn round_trip(data: &[u8]) {
    let (event, value) = data.split_at(data.len() / 3);
    let context = context();
    let mut sealed = Vec::new();
    let nonce = cipher().event_nonce(context.audience, event);
    cipher().seal(&context, nonce, value, &mut Scratch::default(), &mut sealed).expect("sealed");
    let sealed = String::from_utf8(sealed).expect("ASCII");
    assert_eq!(cipher().open(&context, &sealed).expect("opened").expose(), value);
    assert!(cipher().open(&SealContext { path: "/phone", ..context }, &sealed).is_err());
    assert!(cipher().open(&SealContext { audience: Audience::Public, ..context }, &sealed).is_err());
    let mut letter = Vec::new();
    as_letter(9, |context| cipher().seal_letter(context, value, &mut letter).expect("sealed"));
    as_letter(9, |context| assert_eq!(cipher().open_letter(context, &letter).expect("opened").expose(), value));
    as_letter(8, |context| assert!(cipher().open_letter(context, &letter).is_err()));
}

/// Calls `of` with the context of a letter.
fn as_letter<R>(key: u8, of: impl FnOnce(&LetterContext<'_>) -> R) -> R {
    let position = Position { stream: "s".into(), incarnation: "i".into(), offset: 0 };
    of(&LetterContext { key: &[key; 32], pipeline: "shop.people", position: &position, reason: "NotJson", sinks: &[] })
}

fn decode(data: &[u8]) {
    let Some(Content::Record(owned)) = letter::decode(data) else { return };
    let record = Record {
        stream: "s",
        offset: 0,
        timestamp: owned.timestamp,
        key: owned.key.as_deref(),
        value: owned.value.as_deref(),
    };
    let headers: Vec<_> = owned.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
    let again = letter::decode(&letter::encode(&record, &headers));
    assert!(again == Some(Content::Record(owned.clone())), "a letter changed");
}

fn parse(text: &str) {
    let _ = text.parse::<Reference>();
    let _ = text.parse::<RootCheck>();
    match text.parse::<TokenText>() {
        Ok(token) => assert_eq!(token.to_string(), text),
        Err(error) => assert!(text.len() < 20 || !error.to_string().contains(text), "an error repeats a token"),
    }
}

fn secret(text: &str) {
    let pairs: Vec<(&str, &[u8])> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name, value.as_bytes())).collect();
    if let Ok(ring) = KeyRing::parse(pairs) {
        let data = ring.to_secret_data();
        let again = KeyRing::parse(data.iter().map(|(name, value)| (name.as_str(), value.as_slice())));
        assert_eq!(again.ok().map(|ring| ring.checks()), Some(ring.checks()), "a ring changed");
    }
}
