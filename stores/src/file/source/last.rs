//! Finds where the last lines of a file begin, without reading the lines before them.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

/// Size of one read in bytes.
const BLOCK: u64 = 1024 * 1024;

/// Returns the offset at which the last `lines` lines before `end` begin; 0 if there are no more.
pub(super) fn start_of_last(file: &mut File, end: u64, lines: usize) -> io::Result<u64> {
    let mut block = vec![0; BLOCK as usize];
    let (mut at, mut found) = (end, 0);
    while at > 0 {
        let size = at.min(BLOCK) as usize;
        at -= size as u64;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut block[..size])?;
        for newline in memchr::memrchr_iter(b'\n', &block[..size]) {
            let start = at + newline as u64 + 1;
            if start == end {
                continue;
            }
            found += 1;
            if found >= lines {
                return Ok(start);
            }
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_lines_are_as_many_as_asked_for(
            lengths in prop::collection::vec(0usize..400_000, 0..12),
            lines in 1usize..8,
            terminated in any::<bool>(),
        ) {
            let mut text: String = lengths.iter().map(|length| "x".repeat(*length) + "\n").collect();
            if !terminated {
                text.push_str("the last");
            }
            let all: Vec<&str> = text.split_inclusive('\n').collect();
            let wanted: usize = all.iter().rev().skip(lines).map(|line| line.len()).sum();
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            prop_assert_eq!(start_of_last(&mut file, text.len() as u64, lines).unwrap(), wanted as u64);
        }
    }
}
