//! The last few plain events, one of which a duplicate repeats.

use super::draw::Draw;

/// How many recent plain events a duplicate chooses from.
pub(super) const RECENT: usize = 16;

/// The last few plain events, without their line feeds, and their keys.
#[derive(Default)]
pub(super) struct Recent {
    events: [(Vec<u8>, Vec<u8>); RECENT],
    remembered: usize,
}

impl Recent {
    pub(super) fn is_empty(&self) -> bool {
        self.remembered == 0
    }

    pub(super) fn remember(&mut self, key: &[u8], line: &[u8]) {
        let (key_slot, line_slot) = &mut self.events[self.remembered % RECENT];
        for (slot, bytes) in [(key_slot, key), (line_slot, line)] {
            slot.clear();
            slot.extend_from_slice(bytes);
        }
        self.remembered = self.remembered.wrapping_add(1);
    }

    pub(super) fn repeat(&self, key: &mut Vec<u8>, out: &mut Vec<u8>, draw: &mut Draw) {
        let filled = self.remembered.min(RECENT) as u64;
        let (key_then, line) = &self.events[draw.below(filled) as usize];
        key.clear();
        key.extend_from_slice(key_then);
        out.extend_from_slice(line);
    }

    /// Bytes that it owns on the heap.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.events.iter().map(|(key, line)| key.capacity() + line.capacity()).sum()
    }
}
