//! The stack that a careful team would write first: parse into a tree, validate with the
//! `jsonschema` crate, encrypt with AES-GCM-SIV under a cached key per subject, mask, truncate,
//! scan the note with regular expressions, serialise the tree. It has the same fields and
//! ciphertexts, and one sink. It lacks event times, versions, reference checks and audiences.

use std::collections::HashMap;

use aes_gcm_siv::{Aes256GcmSiv, KeyInit, aead::Aead};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use regex::Regex;
use serde_json::{Map, Value};
use sha2::Sha256;

use crate::{Events, manifest};

pub(crate) struct Peer {
    validator: jsonschema::Validator,
    patterns: Vec<(Regex, &'static str)>,
    ciphers: HashMap<String, Aes256GcmSiv>,
    out: Vec<u8>,
}

fn hmac(parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

impl Peer {
    pub(crate) fn new() -> Self {
        let patterns = [
            (r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}", "[email]"),
            (r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", "[iban]"),
            (r"\b(?:\d[ -]?){13,19}\b", "[card]"),
            (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "[ipv4]"),
            (r"\+\d[\d ()./-]{6,18}\d", "[phone]"),
        ];
        Self {
            validator: jsonschema::draft202012::new(&serde_json::from_str(manifest::SCHEMA).unwrap()).unwrap(),
            patterns: patterns.into_iter().map(|(text, kind)| (Regex::new(text).unwrap(), kind)).collect(),
            ciphers: HashMap::new(),
            out: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self, events: &Events) -> usize {
        let mut bytes = 0;
        for event in events.iter() {
            self.out.clear();
            self.one(event);
            bytes += self.out.len();
        }
        bytes
    }

    fn one(&mut self, event: &[u8]) {
        let event: Value = serde_json::from_slice(event).unwrap();
        assert!(self.validator.is_valid(&event));
        let id = event["event_id"].as_str().unwrap();
        let user = event["user_id"].as_str().unwrap();
        let cipher = self
            .ciphers
            .entry(user.to_owned())
            .or_insert_with(|| Aes256GcmSiv::new_from_slice(&hmac(&[b"key", user.as_bytes()])).unwrap());
        let seal = |path: &str, value: &str| {
            let nonce = &hmac(&[id.as_bytes(), path.as_bytes(), value.as_bytes()])[..12];
            let mut sealed = nonce.to_vec();
            sealed.extend(cipher.encrypt(nonce.try_into().unwrap(), value.as_bytes()).unwrap());
            Value::from(URL_SAFE_NO_PAD.encode(sealed))
        };
        let mut out = Map::new();
        let reference = hmac(&[b"operational", user.as_bytes()]);
        out.insert("subject_ref".into(), URL_SAFE_NO_PAD.encode(reference).into());
        out.insert("event_id".into(), id.into());
        out.insert("event_time".into(), event["timestamp"].clone());
        out.insert("email".into(), seal("/email", &event["email"].as_str().unwrap().trim().to_lowercase()));
        if let Some(national_id) = event["national_id"].as_str() {
            out.insert("national_id".into(), seal("/national_id", national_id));
        }
        if let Some(phone) = event["phone"].as_str() {
            let length = phone.chars().count();
            let masked: String =
                phone.chars().enumerate().map(|(at, c)| if at + 2 < length { '*' } else { c }).collect();
            out.insert("phone".into(), masked.into());
        }
        if let Some(postcode) = event["address"]["postcode"].as_str() {
            out.insert("postcode".into(), postcode.chars().take(3).collect::<String>().into());
        }
        if let Some(note) = event["note"].as_str() {
            let mut note = note.to_owned();
            for (pattern, kind) in &self.patterns {
                if pattern.is_match(&note) {
                    note = pattern.replace_all(&note, *kind).into_owned();
                }
            }
            out.insert("note".into(), note.into());
        }
        out.insert("tier".into(), event["tier"].clone());
        out.insert("plan".into(), event["plan"].clone());
        serde_json::to_writer(&mut self.out, &out).unwrap();
    }
}
