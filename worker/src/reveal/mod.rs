//! Shows what the tables and collections of a pipeline hold about one person, with sealed values
//! opened.
//!
//! This is the only place that opens sealed values for a person to read. Nothing is shown before
//! the key store's audit record holds the user, the subject and the ground.

mod audit;
mod document;

use std::collections::BTreeMap;

use lethe_core::{
    identity::{NotCanonical, Token, TokenText, canonical},
    keys::{KeyRing, KeyRingError, WrapContext},
    pipeline::{Pipeline, SinkRules, SinkTarget},
    scalar::Scalar,
    seal::SubjectCipher,
    sensitive::Sensitive,
};
use lethe_crds::profile_pipeline::{Audience, Canonical};
use lethe_stores::{KeyEntry, KeyRow, StoreError, StoredRecord, SubjectKeys, open::open_records};
use serde::Serialize;
use serde_json::value::RawValue;

pub use self::audit::{BadGround, Ground, User};
use self::document::Opener;
pub use self::document::flatten;
use crate::open::{OpenError, PipelineAccess};

/// The subject to look for.
pub struct SubjectQuery {
    /// The identifier as typed.
    pub identifier: Sensitive<String>,
    /// The name of the alias that the identifier is. `None`: it is the subject's id.
    pub alias: Option<String>,
}

/// Why a reveal failed.
#[derive(Debug, thiserror::Error)]
pub enum RevealError {
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A store can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keys Secret lacks the key of an audience.
    #[error(transparent)]
    Ring(#[from] KeyRingError),
    /// The alias is not declared.
    #[error("the pipeline declares no alias {alias:?}; it declares: {declared}")]
    NoSuchAlias {
        /// The alias.
        alias: String,
        /// The declared aliases.
        declared: String,
    },
    /// The identifier has no canonical form.
    #[error("the identifier can't be one of this pipeline: {0}")]
    NotCanonical(NotCanonical),
    /// The alias resolves to several subjects.
    #[error("this {alias:?} leads to {subjects} subjects; ask for one of them by the id itself")]
    Ambiguous {
        /// Name of the alias.
        alias: String,
        /// Number of subjects.
        subjects: usize,
    },
    /// A document is not JSON.
    #[error("a record of the sink {0:?} is no JSON; the table was changed by something else than Lethe")]
    NotJson(String),
}

/// Everything that is held about one person. It is personal, so it has no `Debug`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revealed {
    /// `<namespace>/<name>` of the pipeline.
    pub pipeline: String,
    /// The subject's token. `None` if the alias resolves to no subject.
    pub subject: Option<String>,
    /// Whether the key store or a table holds the subject.
    pub known: bool,
    /// Classes whose keys were destroyed by an erasure.
    pub shredded: Vec<String>,
    /// What the searched sinks hold.
    pub sinks: Vec<SinkRecords>,
    /// Places that were not searched.
    pub not_searched: Vec<NotSearched>,
}

/// What one sink holds about the subject.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkRecords {
    /// Name of the sink.
    pub sink: String,
    /// The sink's audience.
    pub audience: Audience,
    /// Name of the DataStore.
    pub store: String,
    /// Name of the table or collection.
    pub table: String,
    /// The subject's records, oldest first.
    pub records: Vec<RevealedRecord>,
}

/// One record, opened.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevealedRecord {
    /// The event's id, as the audience sees it.
    pub event_id: String,
    /// The event's time.
    pub event_time: String,
    /// When the record expires.
    pub expires_at: Option<String>,
    /// When the profile was deleted. Such a record is a marker without a document.
    pub deleted_at: Option<String>,
    /// The record with every sealed value opened in place.
    pub document: Option<Box<RawValue>>,
    /// Sealed values that stay closed.
    pub closed: Vec<Closed>,
}

/// A sealed value that stays closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// Its path, with `*` for elements of arrays.
    pub path: String,
    /// Why.
    pub why: String,
}

/// A place that was not searched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotSearched {
    /// The sink, or another place.
    pub place: String,
    /// Why.
    pub why: &'static str,
}

impl Revealed {
    /// Returns the number of records in all sinks.
    pub fn records(&self) -> usize {
        self.sinks.iter().map(|held| held.records.len()).sum()
    }
}

/// Collects and opens what is held about one person. When this returns, the key store's audit
/// record holds the user, the subject and the ground. Fails if the audit record can't be written.
pub async fn reveal(
    access: &mut PipelineAccess<'_>,
    query: &SubjectQuery,
    ground: &Ground,
    user: &User,
) -> Result<Revealed, RevealError> {
    let subjects = find_subjects(&access.pipeline, &access.ring, &*access.vault, query).await?;
    let mut revealed = Revealed {
        pipeline: format!("{}/{}", access.pipeline.namespace, access.pipeline.name),
        subject: None,
        known: false,
        shredded: Vec::new(),
        sinks: Vec::new(),
        not_searched: not_searched(&access.pipeline),
    };
    if let [token] = subjects.as_slice() {
        search(access, *token, &mut revealed).await?;
    }
    let line = audit::line(&revealed, subjects.len(), ground, user);
    access.vault.audit(line).await?;
    match (&query.alias, subjects.len()) {
        (Some(alias), several @ 2..) => Err(RevealError::Ambiguous { alias: alias.clone(), subjects: several }),
        _ => Ok(revealed),
    }
}

/// Searches every table and collection for a subject.
async fn search(access: &mut PipelineAccess<'_>, token: Token, revealed: &mut Revealed) -> Result<(), RevealError> {
    let pipeline = &access.pipeline;
    revealed.subject = Some(TokenText { root: access.ring.root_check(), token }.to_string());
    let space = &pipeline.event.space;
    let entries = access.vault.find(space.clone(), token).await?;
    revealed.known = !entries.is_empty();
    revealed.shredded = entries.iter().filter(|entry| entry.row == KeyRow::Shredded).map(|e| e.class.clone()).collect();
    let opener = Opener { space, token, keys: keys(&access.ring, space, &token, &entries) };
    for sink in &pipeline.sinks {
        let Some(found) = open_records(sink, &mut access.stores).await.map_err(OpenError::from)? else { continue };
        let reference = access.ring.reference(sink.audience, &token)?;
        let records = found.records.records_of(reference).await?.unwrap_or_default();
        revealed.known |= !records.is_empty();
        let records = records.into_iter().map(|record| open_record(&opener, sink, record));
        revealed.sinks.push(SinkRecords {
            sink: sink.name.clone(),
            audience: sink.audience,
            store: found.store,
            table: found.table,
            records: records.collect::<Result<_, _>>()?,
        });
    }
    Ok(())
}

/// Returns the tokens of the subject that is asked for: one for an id, any number for an alias.
async fn find_subjects(
    pipeline: &Pipeline,
    ring: &KeyRing,
    key_store: &dyn SubjectKeys,
    query: &SubjectQuery,
) -> Result<Vec<Token>, RevealError> {
    let event = &pipeline.event;
    let value = Scalar::Text(query.identifier.expose().into());
    let form = |form: Canonical| {
        let mut out = String::new();
        canonical(&value, form, event.canonical_version, pipeline.region.as_deref(), &mut out)
            .map(|()| out)
            .map_err(RevealError::NotCanonical)
    };
    let Some(name) = &query.alias else {
        return Ok(vec![ring.token(&event.space, &form(event.canonical)?)]);
    };
    let rules = event.aliases.iter().find(|alias| alias.name == *name).ok_or_else(|| {
        let declared: Vec<&str> = event.aliases.iter().map(|alias| alias.name.as_str()).collect();
        let declared = if declared.is_empty() { "none".to_owned() } else { declared.join(", ") };
        RevealError::NoSuchAlias { alias: name.clone(), declared }
    })?;
    let alias = ring.alias_token(&event.space, name, &form(rules.canonical)?);
    Ok(key_store.resolve(event.space.clone(), name.clone(), alias).await?)
}

/// Returns the subject's ciphers by class, or why a class has none.
fn keys(
    ring: &KeyRing,
    space: &str,
    token: &Token,
    entries: &[KeyEntry],
) -> BTreeMap<String, Result<SubjectCipher, document::KeyUnavailable>> {
    let open = |entry: &KeyEntry| {
        let KeyRow::Live(wrapped) = &entry.row else { return Err(document::KeyUnavailable::Shredded) };
        let context = WrapContext::Subject { space, token, class: &entry.class };
        let key = ring
            .unwrap(&context, wrapped)
            .map_err(|error| document::KeyUnavailable::CannotUnwrap(error.to_string()))?;
        SubjectCipher::new(&key, &entry.class)
            .map_err(|error| document::KeyUnavailable::CannotUnwrap(error.to_string()))
    };
    entries.iter().map(|entry| (entry.class.clone(), open(entry))).collect()
}

fn open_record(opener: &Opener<'_>, sink: &SinkRules, record: StoredRecord) -> Result<RevealedRecord, RevealError> {
    let mut closed = Vec::new();
    let document = match &record.document {
        Some(document) => {
            let shown = opener.open(sink.audience, document, &mut closed);
            Some(shown.ok_or_else(|| RevealError::NotJson(sink.name.clone()))?)
        }
        None => None,
    };
    let StoredRecord { event_id, event_time, expires_at, deleted_at, .. } = record;
    Ok(RevealedRecord { event_id, event_time, expires_at, deleted_at, document, closed })
}

fn not_searched(pipeline: &Pipeline) -> Vec<NotSearched> {
    let mut places: Vec<NotSearched> = pipeline
        .sinks
        .iter()
        .filter_map(|sink| {
            let why = match &sink.target {
                SinkTarget::Embedded { .. } | SinkTarget::Cassandra(_) | SinkTarget::Mongodb(_) => return None,
                SinkTarget::File { .. } => "a file has no index by subject; look for the reference in it",
                SinkTarget::Kafka(_) => "a topic has no index by subject",
            };
            Some(NotSearched { place: format!("the sink {}", sink.name), why })
        })
        .collect();
    places.push(NotSearched { place: "the source".to_owned(), why: "it is not Lethe's" });
    if pipeline.dead_letter.is_some() {
        let why = "its events were never processed; `redrive` opens them";
        places.push(NotSearched { place: "the dead letter".to_owned(), why });
    }
    places
}
