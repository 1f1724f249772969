//! What a reader has been shown of late.

use std::collections::BTreeSet;

use protocol::{GroupId, Seq};

/// Most records remembered between two sweeps. At 13,000 records per second that is what five seconds bring.
pub(super) const MOST: usize = 65_536;

/// A record by its time and enough of its identity.
pub(super) type Mark = (u64, GroupId, Seq);

/// The records shown after a time, at most [`MOST`].
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeSet<Mark>);

impl Shown {
    /// Remembers a record.
    pub(super) fn insert(&mut self, mark: Mark) {
        self.0.insert(mark);
    }

    /// Whether it is remembered.
    pub(super) fn contains(&self, mark: &Mark) -> bool {
        self.0.contains(mark)
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets everything up to `low`; of more than [`MOST`] the older half, too. Returns up to where it has forgotten.
    pub(super) fn forget(&mut self, low: u64) -> u64 {
        let after = (low.saturating_add(1), GroupId::new([0; GroupId::LEN]), Seq::ZERO);
        self.0 = self.0.split_off(&after);
        let mut low = low;
        if self.0.len() > MOST {
            while self.0.len() > MOST / 2
                && let Some((time, ..)) = self.0.pop_first()
            {
                low = low.max(time);
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(time: u64) -> Mark {
        (time, GroupId::new([1; GroupId::LEN]), Seq::new(time))
    }

    #[test]
    fn forgets_what_is_settled_and_never_grows_beyond_its_bound() {
        let mut shown = Shown::default();
        for time in 1..=100 {
            shown.insert(mark(time));
        }
        assert_eq!(shown.forget(40), 40);
        assert_eq!((shown.len(), shown.contains(&mark(40)), shown.contains(&mark(41))), (60, false, true));
        let end = u64::try_from(MOST).unwrap() + 50;
        for time in 41..=end {
            shown.insert(mark(time));
        }
        assert_eq!(shown.forget(40), end - u64::try_from(MOST / 2).unwrap());
        assert_eq!(shown.len(), MOST / 2);
    }
}
