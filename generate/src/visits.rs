//! The visits that are going on at one moment, and how they become events of kind `Clickstream`.
//!
//! The shop opens with a handful of visitors and fills until `MOST` visits go on at a time. The
//! more there are, the closer the lines of the stream are in time: the steps of one visit are
//! always as far apart as people need to look at a page.

use super::{draw::Draw, person::Person, visit::Visit};

/// How many visits go on at a time when the stream begins.
const FIRST: u64 = 8;
/// How many visits go on at a time at most.
const MOST: u64 = 2_048;
/// Lines after which there is room for one more visit.
const LINES_A_VISIT: u64 = 32;
/// The longest time between two steps of a visit, on average over visits, in milliseconds: twice
/// the mean.
const LOOK_MILLIS: u64 = 40_960;

/// How many visits go on when so many lines were written.
const fn going_on(lines: u64) -> u64 {
    let room = FIRST + lines / LINES_A_VISIT;
    if room < MOST { room } else { MOST }
}

/// The longest step of time from line to line after so many lines, in milliseconds: 20 once the
/// shop is full.
pub(super) const fn step_millis(lines: u64) -> u64 {
    LOOK_MILLIS / going_on(lines)
}

/// The longest time that so many lines take, in milliseconds.
pub(super) fn span_millis(count: u64) -> u64 {
    let filling = (MOST - FIRST) * LINES_A_VISIT;
    let blocks = (0..count.min(filling)).step_by(LINES_A_VISIT as usize);
    let slow: u64 = blocks.map(|lines| step_millis(lines) * LINES_A_VISIT.min(count - lines)).sum();
    slow.saturating_add(count.saturating_sub(filling).saturating_mul(step_millis(filling)))
}

/// The visits that are going on.
#[derive(Default)]
pub(super) struct Visits(Vec<Visit>);

impl Visits {
    /// The next step of one of the visits, or the first of a new one. `visitor` draws its visitor.
    pub(super) fn next(&mut self, lines: u64, draw: &mut Draw, visitor: impl FnOnce(&mut Draw) -> Person) -> &Visit {
        let at = draw.below(going_on(lines)) as usize;
        if at >= self.0.len() {
            let visitor = visitor(draw);
            self.0.push(Visit::new(visitor, draw));
            let last = self.0.len() - 1;
            return &self.0[last];
        }
        let visit = &mut self.0[at];
        if !visit.go_on(draw) {
            let visitor = visitor(draw);
            *visit = Visit::new(visitor, draw);
        }
        visit
    }

    /// Bytes that it owns on the heap.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Visit>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_of_a_stream_is_the_sum_of_its_longest_steps() {
        let mut sum = 0;
        for lines in 0..70_000 {
            if lines % 997 == 0 || (65_200..65_400).contains(&lines) {
                assert_eq!(span_millis(lines), sum, "{lines}");
            }
            sum += step_millis(lines);
        }
        assert_eq!(span_millis(u64::MAX), u64::MAX);
    }

    #[test]
    fn steps_of_a_visit_are_as_far_apart_at_the_start_as_later() {
        for lines in [0, 1_000, 50_000, 1_000_000] {
            let mean = step_millis(lines) * going_on(lines) / 2;
            assert!((18_000..=20_480).contains(&mean), "{mean}");
        }
    }
}
