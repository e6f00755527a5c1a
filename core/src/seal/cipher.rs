//! The cipher of a subject and class, and how it seals a value of an event.

use std::sync::Arc;

use aes_gcm_siv::{AeadInOut, AesGcmSiv, KeyInit, aead::inout::InOutBuf, aes::Aes256Enc};
use lethe_crds::profile_pipeline::Audience;

use super::text::{BadClass, Version, parts, prefix, push_base64, read_base64};
use crate::{
    identity::Token,
    keys::{DataKey, MacKey, subkey},
    sensitive::Sensitive,
};

pub(super) const NONCE: usize = 12;
pub(super) const TAG: usize = 16;

/// The cipher of a subject and class: built once, kept as long as the subject is in the cache. The
/// cipher of a day of dead letters is one too. It has no `Debug`.
#[derive(Clone)]
pub struct SubjectCipher {
    // Only the encrypting half of AES: GCM-SIV never decrypts a block, and the other half would
    // double the size and the cost of the key that is derived for each value.
    cipher: AesGcmSiv<Aes256Enc>,
    nonce: MacKey,
    prefix: Arc<str>,
}

/// What a sealed value belongs to. It does not open for anything else.
#[derive(Clone, Copy)]
pub struct SealContext<'a> {
    /// Space of the subject's id.
    pub space: &'a str,
    /// The subject.
    pub token: &'a Token,
    /// Who reads it. Version 1 opens for every audience.
    pub audience: Audience,
    /// The declared path, with `*` for every element of an array.
    pub path: &'a str,
}

/// The nonce of all values of one event that a class of its subject's keys seals for one audience.
///
/// Values of one event thus share a nonce. GCM-SIV allows that: it shows whether two values at one
/// path are equal, and nothing else (docs/decisions/0024).
#[derive(Clone, Copy)]
pub struct EventNonce([u8; NONCE]);

/// Buffers that are reused by one seal after another, so that none allocates. They hold no clear
/// value after a call has returned.
#[derive(Default)]
pub struct Scratch(Vec<u8>);

/// The value is too long to be sealed: more than 64 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value is too long to be sealed: at most 64 GiB")]
pub struct SealError;

/// Why a sealed value does not open. It never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not a sealed value of a known version.
    #[error("not a sealed value: those are written lethe:2:<class>:<base64url>")]
    NotSealed,
    /// Not a dead letter of this version or an earlier one.
    #[error("not a dead letter of version 1 or 2; a newer lethe-worker may open it")]
    NotALetter,
    /// It is sealed for another class.
    #[error("a sealed value of another class than `{0}`; open it with the key of its own class")]
    OtherClass(Arc<str>),
    /// The key does not open it here.
    #[error(
        "the subject's key of class `{0}` doesn't open a sealed value: it was changed, or moved to another subject, audience or path"
    )]
    DoesNotOpen(Arc<str>),
}

/// What is sealed; part of every nonce and of what is authenticated.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Kind {
    Field = b'f',
    Letter = b'l',
}

impl SubjectCipher {
    /// Returns the cipher of a key.
    pub fn new(key: &DataKey, class: &str) -> Result<Self, BadClass> {
        Ok(Self {
            cipher: AesGcmSiv::new((&*subkey(key.bytes(), "seal")).into()),
            nonce: MacKey::of(key.bytes(), "nonce"),
            prefix: prefix(class)?.into(),
        })
    }

    /// Returns the class of its key.
    pub fn class(&self) -> &str {
        class_of_prefix(&self.prefix)
    }

    /// Returns the nonce of the values of an event for an audience: one HMAC for all of them.
    pub fn event_nonce(&self, audience: Audience, event_id: &[u8]) -> EventNonce {
        EventNonce(cut(&self.nonce.mac(&[&[Kind::Field as u8, code(audience)], event_id])))
    }

    /// Appends the sealed form of a value of an event, ASCII that needs no escaping in JSON. The
    /// nonce is that of the event and of the context's audience.
    ///
    /// The same event, audience, path and value give the same bytes, so two equal elements of an
    /// array look equal within one event, but never between two events. The length depends only on
    /// that of the value and on the class.
    pub fn seal(
        &self,
        context: &SealContext<'_>,
        nonce: EventNonce,
        plaintext: &[u8],
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let buffer = &mut scratch.0;
        buffer.clear();
        context.push_authenticated(Version::Two, buffer);
        let authenticated = buffer.len();
        self.push_sealed(nonce.0, authenticated, plaintext, buffer)?;
        out.extend_from_slice(self.prefix.as_bytes());
        push_base64(&buffer[authenticated..], out);
        Ok(())
    }

    /// Opens a sealed value. A caller that does not know its class calls [`class_of`] first.
    pub fn open(&self, context: &SealContext<'_>, text: &str) -> Result<Sensitive<Vec<u8>>, OpenError> {
        let parts = parts(text).ok_or(OpenError::NotSealed)?;
        if parts.class != self.class() {
            return Err(OpenError::OtherClass(self.class().into()));
        }
        let sealed = read_base64(parts.body).ok_or(OpenError::NotSealed)?;
        let mut authenticated = Vec::new();
        context.push_authenticated(parts.version, &mut authenticated);
        self.open_sealed(&authenticated, sealed)
    }

    /// Returns a nonce that is derived from what is sealed.
    pub(super) fn nonce(&self, kind: Kind, parts: &[&[u8]; 3]) -> [u8; NONCE] {
        cut(&self.nonce.mac(&[&[kind as u8], parts[0], parts[1], parts[2]]))
    }

    /// Appends nonce, ciphertext and tag to a buffer whose first `authenticated` bytes are
    /// authenticated with them.
    pub(super) fn push_sealed(
        &self,
        nonce: [u8; NONCE],
        authenticated: usize,
        plaintext: &[u8],
        buffer: &mut Vec<u8>,
    ) -> Result<(), SealError> {
        let start = buffer.len() + NONCE;
        buffer.extend_from_slice(&nonce);
        buffer.resize(start + plaintext.len(), 0);
        let (before, text) = buffer.split_at_mut(start);
        let text = InOutBuf::new(plaintext, text).map_err(|_| SealError)?;
        let tag =
            self.cipher.encrypt_inout_detached(&nonce.into(), &before[..authenticated], text).map_err(|_| SealError)?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens nonce, ciphertext and tag.
    pub(super) fn open_sealed(
        &self,
        authenticated: &[u8],
        mut sealed: Vec<u8>,
    ) -> Result<Sensitive<Vec<u8>>, OpenError> {
        let fails = || OpenError::DoesNotOpen(self.class().into());
        let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE>().ok_or_else(fails)?;
        let (text, tag) = rest.split_last_chunk_mut::<TAG>().ok_or_else(fails)?;
        let (nonce, tag) = ((*nonce).into(), (*tag).into());
        self.cipher.decrypt_inout_detached(&nonce, authenticated, InOutBuf::from(text), &tag).map_err(|_| fails())?;
        sealed.truncate(sealed.len() - TAG);
        sealed.drain(..NONCE);
        Ok(Sensitive::new(sealed))
    }
}

impl SealContext<'_> {
    fn push_authenticated(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(&[version as u8, Kind::Field as u8]);
        match version {
            Version::One => {}
            Version::Two => out.push(code(self.audience)),
        }
        out.extend_from_slice(&(self.space.len() as u64).to_le_bytes());
        out.extend_from_slice(self.space.as_bytes());
        out.extend_from_slice(&self.token.0);
        // The last part needs no length.
        out.extend_from_slice(self.path.as_bytes());
    }
}

/// Returns the byte by which an audience is authenticated. It must never change.
const fn code(audience: Audience) -> u8 {
    match audience {
        Audience::Identity => b'i',
        Audience::Operational => b'o',
        Audience::Analytics => b'a',
        Audience::Public => b'p',
    }
}

/// Returns the first bytes of an HMAC as a nonce.
fn cut(mac: &[u8; 32]) -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    nonce.copy_from_slice(&mac[..NONCE]);
    nonce
}

fn class_of_prefix(prefix: &str) -> &str {
    prefix.split(':').nth(2).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    const TOKEN: Token = Token([9; 32]);
    const AUDIENCES: [Audience; 4] = [Audience::Identity, Audience::Operational, Audience::Analytics, Audience::Public];
    /// By Python's cryptography, as version 1 sealed it.
    const VERSION_1: &str = "lethe:1:profile:U58Dj0d4kyPuyZ-Dmlr82HeK6M9BsU-Z8io4s9g-EngHOIvqIr353GIMNJv_zQ";

    pub(crate) fn cipher(key: u8, class: &str) -> SubjectCipher {
        SubjectCipher::new(&DataKey::new([key; 32]), class).unwrap()
    }

    fn at(path: &str) -> SealContext<'_> {
        SealContext { space: "customers", token: &TOKEN, audience: Audience::Operational, path }
    }

    fn seal(cipher: &SubjectCipher, context: &SealContext<'_>, event: &[u8], value: &[u8]) -> String {
        let mut out = Vec::new();
        let nonce = cipher.event_nonce(context.audience, event);
        cipher.seal(context, nonce, value, &mut Scratch::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn nonce_of(text: &str) -> Vec<u8> {
        read_base64(text.rsplit(':').next().unwrap()).unwrap()[..NONCE].to_vec()
    }

    #[test]
    fn a_sealed_value_never_changes_between_versions_of_lethe() {
        // By another implementation: AESGCMSIV of Python's cryptography.
        for (audience, body) in [
            (Audience::Identity, "OlXpbeSL1-X_uKL5HvplTRkMHMydd2JyzzLOmwQIcTDaTv3h7njuIRTbfTdgUA"),
            (Audience::Operational, "uVd08Uz2Sl1NhrxkG5Ce_x5tO_1YbXJ_ErEJRO2OGIAoJH0WMsnrR7w-Uf9XeQ"),
            (Audience::Analytics, "oFj-1vVGTvn-hDeg21HJnxstwklsVlBeOXyM6L4HVX0OfFnfJY9PifsCoEnuTQ"),
            (Audience::Public, "BXodzpKcL989DLhVAiSHLevKfaB7aJ0muW4UOTd2T4iiLYioz4mU8eQQbVF5Kw"),
        ] {
            let context = SealContext { audience, ..at("/email") };
            let text = seal(&cipher(7, "profile"), &context, b"e-1", b"\"anna@example.com\"");
            assert_eq!(text, format!("lethe:2:profile:{body}"));
        }
    }

    #[test]
    fn a_value_of_version_1_opens_for_every_audience_and_in_no_other_context() {
        let key = cipher(7, "profile");
        for audience in AUDIENCES {
            let opened = key.open(&SealContext { audience, ..at("/email") }, VERSION_1);
            assert_eq!(opened, Ok(Sensitive::new(b"\"anna@example.com\"".to_vec())));
        }
        let fails = Err(OpenError::DoesNotOpen("profile".into()));
        assert_eq!(key.open(&at("/phone"), VERSION_1), fails);
        assert_eq!(key.open(&SealContext { space: "guests", ..at("/email") }, VERSION_1), fails);
        assert_eq!(cipher(8, "profile").open(&at("/email"), VERSION_1), fails);
    }

    #[test]
    fn a_value_whose_version_is_changed_does_not_open() {
        let key = cipher(7, "profile");
        let text = seal(&key, &at("/email"), b"e-1", b"anna");
        for text in [text.replace("lethe:2:", "lethe:1:"), VERSION_1.replace("lethe:1:", "lethe:2:")] {
            assert_eq!(key.open(&at("/email"), &text), Err(OpenError::DoesNotOpen("profile".into())));
        }
    }

    #[test]
    fn a_seal_is_appended_and_the_scratch_holds_no_clear_value() {
        let (key, mut scratch, mut out) = (cipher(7, "profile"), Scratch::default(), b"before ".to_vec());
        let nonce = key.event_nonce(Audience::Operational, b"e-1");
        key.seal(&at("/email"), nonce, b"anna@example.com", &mut scratch, &mut out).unwrap();
        assert!(out.starts_with(b"before lethe:2:profile:"));
        assert!(!scratch.0.windows(4).any(|window| window == b"anna"));
    }

    #[test]
    fn a_value_opens_in_no_other_context() {
        let key = cipher(7, "profile");
        let text = seal(&key, &at("/email"), b"e-1", b"anna");
        let fails = Err(OpenError::DoesNotOpen("profile".into()));
        let other = Token([8; 32]);
        assert_eq!(key.open(&at("/email"), &text), Ok(Sensitive::new(b"anna".to_vec())));
        assert_eq!(key.open(&at("/emai"), &text), fails);
        assert_eq!(key.open(&at("/phone"), &text), fails);
        assert_eq!(key.open(&SealContext { token: &other, ..at("/email") }, &text), fails);
        assert_eq!(key.open(&SealContext { space: "guests", ..at("/email") }, &text), fails);
        assert_eq!(key.open(&SealContext { audience: Audience::Analytics, ..at("/email") }, &text), fails);
        assert_eq!(cipher(8, "profile").open(&at("/email"), &text), fails);
    }

    #[test]
    fn a_value_of_another_class_is_refused_even_if_its_label_is_changed() {
        let text = seal(&cipher(7, "profile"), &at("/card"), b"e-1", b"anna");
        let financial = cipher(8, "financial");
        assert_eq!(financial.open(&at("/card"), &text), Err(OpenError::OtherClass("financial".into())));
        let relabelled = text.replace(":profile:", ":financial:");
        assert_eq!(financial.open(&at("/card"), &relabelled), Err(OpenError::DoesNotOpen("financial".into())));
    }

    #[test]
    fn a_text_that_is_not_a_sealed_value_is_refused() {
        let key = cipher(7, "profile");
        for text in ["", "anna@example.com", "lethe:2:profile:***", "lethe:3:profile:AAAA"] {
            assert_eq!(key.open(&at("/email"), text), Err(OpenError::NotSealed), "{text}");
        }
        assert_eq!(key.open(&at("/email"), "lethe:2:profile:AAAA"), Err(OpenError::DoesNotOpen("profile".into())));
    }

    /// An event, an audience, a path and a value, from few of each.
    fn a_place() -> impl Strategy<Value = (String, Audience, String, String)> {
        ("[ab]{0,2}", prop::sample::select(AUDIENCES.to_vec()), "[ab]{0,2}", "[ab]{0,2}")
    }

    proptest! {
        #[test]
        fn a_value_comes_back_and_the_same_event_gives_the_same_bytes(
            event in prop::collection::vec(any::<u8>(), 0..50),
            path in "/[a-z*/]{0,20}",
            value in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let key = cipher(7, "profile");
            let text = seal(&key, &at(&path), &event, &value);
            prop_assert_eq!(&text, &seal(&cipher(7, "profile"), &at(&path), &event, &value));
            prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\' && b != b','));
            prop_assert_eq!(key.open(&at(&path), &text), Ok(Sensitive::new(value)));
        }

        #[test]
        fn another_event_or_audience_never_shares_a_nonce_and_only_equal_values_of_one_path_share_the_bytes(
            a in a_place(), b in a_place(),
        ) {
            let key = cipher(7, "profile");
            let sealed = |(event, audience, path, value): &(String, Audience, String, String)| {
                seal(&key, &SealContext { audience: *audience, ..at(path) }, event.as_bytes(), value.as_bytes())
            };
            let (one, two) = (sealed(&a), sealed(&b));
            prop_assert_eq!((&a.0, a.1) == (&b.0, b.1), nonce_of(&one) == nonce_of(&two));
            prop_assert_eq!(a == b, one == two);
        }

        #[test]
        fn a_changed_bit_does_not_open(bit in 0_usize..1000) {
            let key = cipher(7, "profile");
            let text = seal(&key, &at("/email"), b"e-1", b"\"anna@example.com\"");
            let mut bytes = read_base64(text.rsplit(':').next().unwrap()).unwrap();
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut changed = b"lethe:2:profile:".to_vec();
            push_base64(&bytes, &mut changed);
            let opened = key.open(&at("/email"), std::str::from_utf8(&changed).unwrap());
            prop_assert_eq!(opened, Err(OpenError::DoesNotOpen("profile".into())));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(lethe:[12]:profile:)?[A-Za-z0-9_-]{0,80}", noise in "\\PC*") {
            let key = cipher(7, "profile");
            prop_assert!(key.open(&at("/email"), &text).is_err());
            prop_assert!(key.open(&at("/email"), &noise).is_err());
        }
    }
}
