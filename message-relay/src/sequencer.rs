//! What has been published of each group, as far as memory reaches.

use std::collections::HashMap;

use protocol::{GroupId, Seq};

/// What to do with a record that a source shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was published before.
    Repeat,
    /// It is the next one.
    Next,
    /// Records from `from` up to this one have to be published first; they are in the log.
    Gap {
        /// The first position that is missing.
        from: Seq,
    },
    /// Nothing is known of the group: ask the stream.
    Unknown,
}

/// Remembers for each group which position comes next. Holds a bounded number of groups: the ones used last.
///
/// There are two generations. New and used groups go into the young one; when that is full it becomes the old one, and
/// what was in the old one is forgotten. So at least `capacity` other groups pass before one is forgotten, and no list
/// has to be kept in order.
#[derive(Debug)]
pub struct Sequencer {
    capacity: usize,
    young: HashMap<GroupId, Seq>,
    old: HashMap<GroupId, Seq>,
}

impl Sequencer {
    /// Remembers between `capacity` and twice as many groups.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// The position that comes next in a group.
    pub fn next(&mut self, group: &GroupId) -> Option<Seq> {
        if let Some(next) = self.young.get(group) {
            return Some(*next);
        }
        let next = self.old.remove(group)?;
        self.keep(*group, next);
        Some(next)
    }

    /// What to do with a group's record at `seq`.
    pub fn judge(&mut self, group: &GroupId, seq: Seq) -> Verdict {
        match self.next(group) {
            None => Verdict::Unknown,
            Some(next) if seq < next => Verdict::Repeat,
            Some(next) if seq == next => Verdict::Next,
            Some(from) => Verdict::Gap { from },
        }
    }

    /// Learns that everything before `next` is published. Never goes back.
    pub fn learn(&mut self, group: &GroupId, next: Seq) {
        let known = self.next(group).unwrap_or(Seq::ZERO);
        self.keep(*group, known.max(next));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// Some of the groups used last, with what comes next in them.
    pub fn recent(&self, most: usize) -> Vec<(GroupId, Seq)> {
        self.young.iter().chain(&self.old).take(most).map(|(group, next)| (*group, *next)).collect()
    }

    fn keep(&mut self, group: GroupId, next: Seq) {
        if self.young.len() >= self.capacity && !self.young.contains_key(&group) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&group);
        self.young.insert(group, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};
    use std::collections::BTreeMap;

    fn group(n: u8) -> GroupId {
        GroupId::new([n; GroupId::LEN])
    }

    #[test]
    fn a_record_is_next_once() {
        let mut sequencer = Sequencer::new(4);
        assert_eq!(sequencer.judge(&group(1), Seq::new(0)), Verdict::Unknown);
        sequencer.learn(&group(1), Seq::new(3));
        assert_eq!(sequencer.judge(&group(1), Seq::new(2)), Verdict::Repeat);
        assert_eq!(sequencer.judge(&group(1), Seq::new(3)), Verdict::Next);
        assert_eq!(sequencer.judge(&group(1), Seq::new(5)), Verdict::Gap { from: Seq::new(3) });
        sequencer.learn(&group(1), Seq::new(1));
        assert_eq!(sequencer.next(&group(1)), Some(Seq::new(3)), "never back");
        sequencer.clear();
        assert_eq!(sequencer.judge(&group(1), Seq::new(3)), Verdict::Unknown);
    }

    #[test]
    fn the_group_that_is_used_stays() {
        let mut sequencer = Sequencer::new(8);
        for n in 0..=255 {
            sequencer.learn(&group(n), Seq::new(1));
            assert!(sequencer.next(&group(0)).is_some(), "forgotten after {n}");
            assert!(sequencer.young.len() + sequencer.old.len() <= 16);
        }
        assert_eq!(sequencer.next(&group(1)), None);
    }

    proptest! {
        /// Against a log, a stream and a source that repeats, leaves out and forgets nothing for good: whatever it
        /// shows in whatever order, the stream holds each group's records once and in order.
        #[test]
        fn the_stream_holds_each_record_once_and_in_order(
            capacity in 1..6_usize,
            shown in vec((0..8_u8, 0..30_u64), 0..200),
        ) {
            let mut sequencer = Sequencer::new(capacity);
            let mut stream: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
            for (name, seq) in shown {
                let id = group(name);
                let published = stream.entry(name).or_default();
                if sequencer.judge(&id, Seq::new(seq)) == Verdict::Unknown {
                    let next = published.last().map_or(0, |last| last + 1);
                    sequencer.learn(&id, Seq::new(next));
                }
                let from = match sequencer.judge(&id, Seq::new(seq)) {
                    Verdict::Repeat => { prop_assert!(published.contains(&seq)); continue }
                    Verdict::Next => seq,
                    Verdict::Gap { from } => from.get(),
                    Verdict::Unknown => panic!("known by now"),
                };
                published.extend(from..=seq);
                sequencer.learn(&id, Seq::new(seq + 1));
                prop_assert!(sequencer.young.len() <= capacity && sequencer.old.len() <= capacity);
            }
            for records in stream.values() {
                prop_assert_eq!(records.clone(), (0..records.len() as u64).collect::<Vec<_>>());
            }
        }
    }
}
