//! Reads the uncompressed bytes of a file from an offset on.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;

use crate::{
    StoreError,
    file::{
        fault::{failed, mismatch},
        source::pattern::Found,
    },
};

/// Size of one read of a compressed file, in bytes.
const CHUNK: usize = 128 * 1024;

/// A file that is being read.
pub(crate) struct Input {
    reader: Box<dyn Read + Send>,
    /// Whether bytes may arrive late (standard input, a pipe). Available bytes are then returned at
    /// once and do not wait for a full buffer.
    pub live: bool,
}

impl Input {
    /// Opens a file at `offset`, which counts uncompressed bytes. `raw` counts the bytes read from
    /// the disk.
    pub(crate) fn open(found: &Found, offset: u64, raw: &Arc<AtomicU64>) -> Result<Self, StoreError> {
        let name = &found.name;
        let trouble = |error: io::Error| failed(format!("open {name}"), &error);
        if name == "-" {
            return Self::stream(Counted { reader: io::stdin(), raw: Arc::clone(raw) }, name);
        }
        let mut file = File::open(name).map_err(trouble)?;
        let Some(_) = found.bytes else {
            return Self::stream(Counted { reader: file, raw: Arc::clone(raw) }, name);
        };
        let magic = first_bytes(&mut file).map_err(trouble)?;
        file.seek(SeekFrom::Start(0)).map_err(trouble)?;
        if Packing::of(name, &magic) == Packing::Plain {
            let length = file.metadata().map_err(trouble)?.len();
            if offset > length {
                return Err(shrunk(name, offset, length));
            }
            file.seek(SeekFrom::Start(offset)).map_err(trouble)?;
            raw.fetch_add(offset, Ordering::Relaxed);
            return Ok(Self { reader: Box::new(Counted { reader: file, raw: Arc::clone(raw) }), live: false });
        }
        let counted = Counted { reader: file, raw: Arc::clone(raw) };
        let mut reader =
            unpack(Packing::of(name, &magic), BufReader::with_capacity(CHUNK, counted)).map_err(trouble)?;
        let skipped = io::copy(&mut reader.by_ref().take(offset), &mut io::sink())
            .map_err(|error| failed(format!("read {name} up to offset {offset}"), &error))?;
        if skipped < offset {
            return Err(shrunk(name, offset, skipped));
        }
        Ok(Self { reader, live: false })
    }

    /// Opens a stream that can't be sought, at its first byte. The first bytes show its compression
    /// and are put back before the rest.
    fn stream(mut reader: impl Read + Send + 'static, name: &str) -> Result<Self, StoreError> {
        let trouble = |error: io::Error| failed(format!("read {name}"), &error);
        let magic = first_bytes(&mut reader).map_err(trouble)?;
        let packing = Packing::of("", &magic);
        let whole = io::Cursor::new(magic).chain(reader);
        let reader: Box<dyn Read + Send> = match packing {
            Packing::Plain => Box::new(whole),
            _ => unpack(packing, BufReader::with_capacity(CHUNK, whole)).map_err(trouble)?,
        };
        Ok(Self { reader, live: true })
    }

    /// Reads some bytes. Returns 0 at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Creates an input from a reader, for tests.
    #[cfg(test)]
    pub(crate) fn of(reader: impl Read + Send + 'static) -> Self {
        Self { reader: Box::new(reader), live: false }
    }
}

fn shrunk(name: &str, offset: u64, length: u64) -> StoreError {
    mismatch(format!(
        "{name} ends at byte {length}, but was read up to byte {offset} before: it was cut or replaced; put it back, \
         give the new file a new name, or start over (--from-start)"
    ))
}

/// Compression of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// Detects the compression by the first bytes, which no text starts with, else by the file
    /// name. An empty file is not compressed.
    fn of(name: &str, magic: &[u8]) -> Self {
        let suffix = |wanted| Path::new(name).extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case(wanted));
        match magic {
            [] => Packing::Plain,
            [0x1f, 0x8b, ..] => Packing::Gzip,
            // A frame, or a skippable frame before one.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Packing::Zstd,
            _ if suffix("gz") => Packing::Gzip,
            _ if suffix("zst") => Packing::Zstd,
            _ => Packing::Plain,
        }
    }
}

/// Decompresses. Both formats read all members or frames in turn.
fn unpack(packing: Packing, reader: impl io::BufRead + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        Packing::Plain => Box::new(reader),
        Packing::Gzip => Box::new(MultiGzDecoder::new(reader)),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
    })
}

/// Reads up to four bytes.
fn first_bytes(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4);
    reader.take(4).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Counts the bytes that are read through it.
struct Counted<R> {
    reader: R,
    raw: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.raw.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
