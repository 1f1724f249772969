//! Next positions of the groups that were written to lately.

use std::collections::HashMap;

use protocol::{GroupId, Seq};

/// Groups in one generation; two are kept, about 6 MB each.
const GENERATION: usize = 65_536;

/// A cache in two generations: what is not used while a whole generation fills up is forgotten.
#[derive(Debug, Default)]
pub(super) struct Heads {
    young: HashMap<GroupId, Seq>,
    old: HashMap<GroupId, Seq>,
}

impl Heads {
    pub(super) fn get(&mut self, group: &GroupId) -> Option<Seq> {
        if let Some(next) = self.young.get(group) {
            return Some(*next);
        }
        let next = self.old.remove(group)?;
        self.insert(*group, next);
        Some(next)
    }

    pub(super) fn insert(&mut self, group: GroupId, next: Seq) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        // The old generation is only asked where the young one has no answer, so it may stay behind.
        self.young.insert(group, next);
    }

    pub(super) fn merge(&mut self, committed: HashMap<GroupId, Seq>) {
        for (group, next) in committed {
            self.insert(group, next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(n: u32) -> GroupId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        GroupId::new(bytes)
    }

    #[test]
    fn newest_position_wins_and_size_is_bounded() {
        let mut heads = Heads::default();
        for n in 0..300_000 {
            heads.insert(group(0), Seq::new(u64::from(n)));
            assert_eq!(heads.get(&group(0)), Some(Seq::new(u64::from(n))));
            heads.insert(group(n + 1), Seq::ZERO);
        }
        assert!(heads.young.len() + heads.old.len() <= 2 * GENERATION + 2);
        assert_eq!(heads.get(&group(1)), None);
    }
}
