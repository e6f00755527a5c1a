//! The progress of pipelines, and the register of places. The progress of a pipeline is one
//! document, so the offsets and marks of one commit are stored together or not at all.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::BoxFuture;
use lethe_core::place::Place;
use mongodb::bson::{Document, doc};

use crate::{
    Bookkeeping, Fault, Progress, StoreError,
    contract::ProgressKind,
    mongodb::{
        sink::writes::whole,
        vault::{MongodbVault, PLACES, PROGRESS, escaped, id, unescaped},
    },
};

impl MongodbVault {
    async fn read_progress(&self, pipeline: &str) -> Result<Progress, Fault> {
        let Some(row) = self.one(PROGRESS, pipeline).await? else { return Ok(Progress::default()) };
        let mut entries = Vec::new();
        for kind in ProgressKind::ALL {
            let numbers = numbers(&row, part(kind)).ok_or_else(|| self.strange(PROGRESS))?;
            entries.extend(numbers.into_iter().map(|(name, number)| (kind, name, number)));
        }
        Ok(Progress::of_entries(entries))
    }

    async fn write_progress(&self, pipeline: &str, progress: &Progress) -> Result<(), Fault> {
        let mut set = Document::new();
        for (kind, name, number) in progress.entries()? {
            set.insert(format!("{}.{}", part(kind), escaped(&name)), number);
        }
        if set.is_empty() {
            return Ok(());
        }
        let update = || vec![doc! {"q": {"_id": pipeline}, "u": {"$set": set.clone()}, "upsert": true}];
        let (_, missed) = self.update(PROGRESS, update()).await?;
        if missed {
            // Another process created the document at the same time, so it exists now.
            self.update(PROGRESS, update()).await?;
        }
        Ok(())
    }

    async fn add_places(&self, pipeline: &str, places: &[Place]) -> Result<(), Fault> {
        let rows: BTreeMap<String, Document> = places
            .iter()
            .map(|place| {
                let Place { store, object, space, form } = place;
                let (store, form) = (store.as_str(), form.to_string());
                let id = id(&[store, object, space, &form, pipeline]);
                let row = doc! {
                    "_id": &id, "store": store, "name": object, "space": space, "form": form, "pipeline": pipeline,
                };
                (id, row)
            })
            .collect();
        let ids: Vec<String> = rows.keys().cloned().collect();
        let known = self.by_id(PLACES, &ids).await?;
        let absent = rows.into_iter().filter(|(id, _)| !known.contains_key(id)).map(|(_, row)| row).collect();
        self.insert_absent(PLACES, absent).await.map(|_| ())
    }

    async fn read_places(&self) -> Result<Vec<Place>, Fault> {
        let rows = self.rows(PLACES, doc! {}).await?;
        let mut places = BTreeSet::new();
        for row in &rows {
            let text = |name| row.get_str(name).map_err(|_| self.strange(PLACES));
            let (object, space) = (text("name")?.to_owned(), text("space")?.to_owned());
            places.insert(Place::from_stored(text("store")?, object, space, text("form")?)?);
        }
        Ok(places.into_iter().collect())
    }
}

/// Returns the numbers in a part of a progress document, by name.
fn numbers(row: &Document, part: &str) -> Option<Vec<(String, i64)>> {
    let Ok(part) = row.get_document(part) else { return Some(Vec::new()) };
    part.iter()
        .map(|(field, number)| Some((unescaped(field)?, whole(Some(number)).filter(|number| *number >= 0)?)))
        .collect()
}

/// Returns the part of a progress document that holds numbers of a kind.
const fn part(kind: ProgressKind) -> &'static str {
    match kind {
        ProgressKind::Offset => "offsets",
        ProgressKind::Mark => "marks",
    }
}

impl Bookkeeping for MongodbVault {
    fn progress(&self, pipeline: String) -> BoxFuture<'_, Result<Progress, StoreError>> {
        Box::pin(async move { self.read_progress(&pipeline).await.map_err(|fault| self.at(fault)) })
    }

    fn commit(&self, pipeline: String, progress: Progress) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.write_progress(&pipeline, &progress).await.map_err(|fault| self.at(fault)) })
    }

    fn forget(&self, pipeline: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.delete(PROGRESS, doc! {"_id": pipeline}).await.map_err(|fault| self.at(fault)) })
    }

    fn register(&self, pipeline: String, places: Vec<Place>) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.add_places(&pipeline, &places).await.map_err(|fault| self.at(fault)) })
    }

    fn places(&self) -> BoxFuture<'_, Result<Vec<Place>, StoreError>> {
        Box::pin(async move { self.read_places().await.map_err(|fault| self.at(fault)) })
    }
}
