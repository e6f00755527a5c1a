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
    file::{fault::failed, source::pattern::Found, trail::Trail},
};

/// Size of one read of a compressed file, in bytes.
const CHUNK: usize = 128 * 1024;

/// A file that is being read.
pub(crate) struct Input {
    reader: Reader,
    /// Whether bytes may arrive late (standard input, a pipe). Available bytes are then returned at
    /// once and do not wait for a full buffer.
    pub live: bool,
}

enum Reader {
    /// A file that is not compressed.
    Plain(Counted<File>),
    Other(Box<dyn Read + Send>),
}

impl Input {
    /// Opens a file at its start. `raw` counts the bytes read from the disk.
    pub(crate) fn open(found: &Found, raw: &Arc<AtomicU64>) -> Result<Self, StoreError> {
        let name = &found.name;
        let trouble = |error: io::Error| failed(format!("open {name}"), &error);
        if name == "-" {
            return Self::stream(Counted { reader: io::stdin(), raw: Arc::clone(raw) }, name);
        }
        let mut file = File::open(name).map_err(trouble)?;
        let Some(_) = found.stamp else {
            return Self::stream(Counted { reader: file, raw: Arc::clone(raw) }, name);
        };
        let magic = first_bytes(&mut file).map_err(trouble)?;
        file.seek(SeekFrom::Start(0)).map_err(trouble)?;
        let counted = Counted { reader: file, raw: Arc::clone(raw) };
        let reader = match Packing::of(name, &magic) {
            Packing::Plain => Reader::Plain(counted),
            packing => Reader::Other(unpack(packing, BufReader::with_capacity(CHUNK, counted)).map_err(trouble)?),
        };
        Ok(Self { reader, live: false })
    }

    /// Returns the file if it is not compressed, so that it can be read from any offset.
    pub(crate) fn into_plain(self) -> Option<File> {
        match self.reader {
            Reader::Plain(counted) => Some(counted.reader),
            Reader::Other(_) => None,
        }
    }

    /// Reads what lies before `offset`, which counts uncompressed bytes, and moves there. Returns
    /// `None` if the file ends before it.
    pub(crate) fn move_to(&mut self, offset: u64) -> io::Result<Option<Trail>> {
        Trail::read(self, offset, |input, count| match &mut input.reader {
            Reader::Plain(counted) => {
                counted.raw.fetch_add(count, Ordering::Relaxed);
                counted.reader.seek_relative(i64::try_from(count).map_err(io::Error::other)?)
            }
            Reader::Other(reader) => io::copy(&mut reader.take(count), &mut io::sink()).map(|_| ()),
        })
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
        Ok(Self { reader: Reader::Other(reader), live: true })
    }

    /// Creates an input from a reader, for tests.
    #[cfg(test)]
    pub(crate) fn of(reader: impl Read + Send + 'static) -> Self {
        Self { reader: Reader::Other(Box::new(reader)), live: false }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match &mut self.reader {
                Reader::Plain(file) => file.read(buffer),
                Reader::Other(reader) => reader.read(buffer),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
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
