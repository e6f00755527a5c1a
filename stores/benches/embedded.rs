//! Measures how fast a table is written and a file is read: `cargo bench -p lethe-stores`. It
//! prints figures and checks nothing.
//!
//! `BENCH_DIR` selects the directory, and so the disk. The default is the system's directory for
//! temporary files.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::{fs, io::Write, path::Path, time::Instant};

use lethe_core::{
    identity::Reference,
    record::{Body, Outgoing, OutgoingBatch},
};
use lethe_crds::profile_pipeline::{FileFormat, Records};
use lethe_stores::{
    Sink, Source,
    embedded::{EmbeddedStore, TableOptions, TableSink},
    file::{FileSource, FileSourceOptions},
};

fn main() {
    let dir = match std::env::var_os("BENCH_DIR") {
        Some(parent) => tempfile::tempdir_in(parent).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (records, subjects, batch, expires) in [
        (Records::Latest, 20_000, 1000, false),
        (Records::Latest, 20_000, 5000, false),
        (Records::Latest, 20_000, 5000, true),
        (Records::Latest, 200_000, 5000, true),
        (Records::Append, 20_000, 5000, true),
    ] {
        runtime.block_on(table(dir.path(), records, subjects, batch, expires));
    }
    ndjson(dir.path());
}

/// Spreads numbers evenly, as an HMAC would.
fn scatter(n: u64) -> u64 {
    let mixed = (n ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

fn batch(from: u64, size: u64, subjects: u64, expires: bool) -> OutgoingBatch {
    let mut batch = OutgoingBatch::default();
    for n in from..from + size {
        let time = 1_795_132_800_000 + n.cast_signed() * 20;
        let start = batch.bytes.len();
        write!(batch.bytes, "{:016x}-{n}", scatter(n)).unwrap();
        let event_id = start..batch.bytes.len();
        let start = batch.bytes.len();
        write!(batch.bytes, "{{\"event_id\":\"{n}\",\"filler\":\"{}\"}}", "abcdefgh".repeat(58)).unwrap();
        let body = Body::Document(start..batch.bytes.len());
        let mut subject = [0; 32];
        for (index, chunk) in subject.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&scatter(scatter(n) % subjects + index as u64 * 7).to_be_bytes());
        }
        let expires = expires.then_some(time + 86_400_000);
        batch.records.push(Outgoing {
            subject: Reference(subject),
            event_id,
            version: time * 1000,
            time,
            offset: 0,
            expires,
            body,
        });
    }
    batch
}

async fn table(dir: &Path, records: Records, subjects: u64, size: u64, expires: bool) {
    let path = dir.join("bench.db");
    let store = EmbeddedStore::open("bench", &path).unwrap();
    let options = TableOptions { table: "people".to_owned(), records, fields: Vec::new() };
    let mut sink = TableSink::open(store, &options).unwrap();
    let rounds = 400_000 / size;
    let (mut spent, mut slowest) = (0.0, 0.0f64);
    for round in 0..rounds {
        let batch = batch(round * size, size, subjects, expires);
        let start = Instant::now();
        sink.write(&batch).await.unwrap();
        let took = start.elapsed().as_secs_f64();
        spent += took;
        slowest = slowest.max(took);
    }
    println!(
        "{records:?}, {subjects} subjects, batches of {size}, expiry {expires}: {:.0} rows/s, {:.1} ms a batch, slowest {:.0} ms",
        (rounds * size) as f64 / spent,
        spent * 1000.0 / rounds as f64,
        slowest * 1000.0,
    );
    drop(sink);
    for name in ["bench.db", "bench.db-wal", "bench.db-shm"] {
        fs::remove_file(dir.join(name)).ok();
    }
}

fn ndjson(dir: &Path) {
    let path = dir.join("bench.ndjson");
    let line = format!("{{\"filler\":\"{}\"}}\n", "abcdefgh".repeat(68));
    fs::write(&path, line.repeat(1_000_000_000 / line.len())).unwrap();
    for _ in 0..3 {
        let options = FileSourceOptions::new(path.to_str().unwrap(), FileFormat::Ndjson, 0);
        let mut source = FileSource::open(options).unwrap();
        let start = Instant::now();
        let mut records = 0;
        while let Some(batch) = source.next_batch(2000).unwrap() {
            records += batch.records.len();
        }
        let took = start.elapsed().as_secs_f64();
        println!("ndjson: {records} lines, {:.2} GB/s", source.bytes_read() as f64 / took / 1e9);
    }
}
