//! Lethe's engine with a warm cache of subjects.

use std::sync::Arc;

use lethe_core::{
    engine::{Engine, Reading, Record, Scratch},
    keys::{DataKey, KeyRing},
    record::OutgoingBatch,
    seal::SubjectCipher,
    subject::{Subject, SubjectCache},
};

use crate::{Events, manifest};

const NOW: i64 = i64::MAX;
/// Records per batch, as in a run.
const BATCH: usize = 2_000;

pub(crate) struct Ours {
    engine: Engine,
    cache: SubjectCache,
    scratch: Scratch,
    outgoing: Vec<OutgoingBatch>,
}

fn record(event: &[u8]) -> Record<'_> {
    Record { stream: "bench", offset: 0, timestamp: None, key: None, value: Some(event) }
}

impl Ours {
    pub(crate) fn new(sinks: usize, events: &Events) -> Self {
        let mut seed = 0_u8;
        let ring = KeyRing::generate(|bytes: &mut [u8]| {
            seed += 1;
            bytes.fill(seed);
        });
        let engine = Engine::new(&manifest::pipeline(sinks), Arc::new(ring.unwrap())).unwrap();
        let mut cache = SubjectCache::new(100_000);
        let mut scratch = Scratch::default();
        for event in events.iter() {
            let record = record(event);
            let Reading::Process(_) = engine.read(&record, NOW, &mut scratch) else { panic!("an event was rejected") };
            if cache.get(scratch.who().unwrap()).is_some() {
                continue;
            }
            let identity = engine.identify(&record, &mut scratch).unwrap();
            let key = DataKey::new(identity.token.0);
            let ciphers = engine.classes().iter().map(|class| SubjectCipher::new(&key, class).ok()).collect();
            let audiences = engine.audiences().iter().copied();
            let subject = Subject::new(engine.ring(), identity.token, audiences, ciphers).unwrap();
            cache.insert(scratch.who().unwrap(), Arc::new(subject));
        }
        let outgoing = (0..sinks).map(|_| OutgoingBatch::default()).collect();
        Self { engine, cache, scratch, outgoing }
    }

    /// Turns all events into records for the sinks. Returns the bytes written.
    pub(crate) fn run(&mut self, events: &Events) -> usize {
        let mut bytes = 0;
        for (at, event) in events.iter().enumerate() {
            let record = record(event);
            let Reading::Process(facts) = self.engine.read(&record, NOW, &mut self.scratch) else { panic!("rejected") };
            let subject = self.cache.get(self.scratch.who().unwrap()).unwrap();
            self.engine.write(&record, facts, &subject, 0, &mut self.scratch, &mut self.outgoing).unwrap();
            if at % BATCH == BATCH - 1 {
                bytes += self.flush();
            }
        }
        bytes + self.flush()
    }

    /// Only reads the events, with all that it extracts. Returns how many are valid.
    pub(crate) fn read(&mut self, events: &Events) -> usize {
        events
            .iter()
            .filter(|event| matches!(self.engine.read(&record(event), NOW, &mut self.scratch), Reading::Process(_)))
            .count()
    }

    fn flush(&mut self) -> usize {
        let mut bytes = 0;
        for batch in &mut self.outgoing {
            bytes += batch.bytes.len();
            batch.bytes.clear();
            batch.records.clear();
        }
        bytes
    }
}
