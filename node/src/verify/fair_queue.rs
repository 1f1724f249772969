//! A queue that is fair among those who fill it: deficit round robin.
//!
//! M. Shreedhar and G. Varghese, "Efficient Fair Queuing Using Deficit Round Robin", IEEE/ACM Transactions on
//! Networking 4(3), 1996, with proofs in the place of bytes. Flows take turns. At its turn a flow is granted a quantum,
//! and its next entry goes when the grants it has saved up cover it. So the share of a flow depends neither on how much
//! it has queued nor on how large its entries are: between two flows that both have something waiting, what they were
//! served in any stretch of time differs by no more than a quantum and two of the largest entries.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Proofs a flow is granted at its turn. Below the largest frame's 65, so that who sends large frames waits several
/// rounds for each, and who sends small ones does not.
pub(super) const QUANTUM: usize = 8;

/// What waits.
#[derive(Debug)]
pub(super) struct Entry<J> {
    /// Told apart by this.
    pub(super) id: u64,
    /// Its cost.
    pub(super) proofs: usize,
    pub(super) job: J,
}

#[derive(Debug)]
struct Flow<J> {
    waiting: VecDeque<Entry<J>>,
    proofs: usize,
    /// Granted and not used yet. Lost when nothing waits any more: nobody saves up while idle.
    deficit: usize,
}

/// Entries of several flows. Memory is proportional to the entries: a flow without any is not remembered.
#[derive(Debug)]
pub(super) struct FairQueue<K, J> {
    flows: HashMap<K, Flow<J>>,
    /// Flows with something waiting, in the order of their turns; it is the first one's.
    turns: VecDeque<K>,
    /// Whether the first flow has been granted its quantum.
    granted: bool,
    proofs: usize,
}

impl<K: Copy + Eq + Hash, J> FairQueue<K, J> {
    pub(super) fn new() -> Self {
        Self { flows: HashMap::new(), turns: VecDeque::new(), granted: false, proofs: 0 }
    }

    /// Proofs waiting, of all flows.
    pub(super) const fn proofs(&self) -> usize {
        self.proofs
    }

    /// Proofs waiting of one flow.
    pub(super) fn proofs_of(&self, key: &K) -> usize {
        self.flows.get(key).map_or(0, |flow| flow.proofs)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Puts an entry behind the others of its flow.
    pub(super) fn push(&mut self, key: K, entry: Entry<J>) {
        let flow = self.flows.entry(key).or_insert_with(|| {
            self.turns.push_back(key);
            Flow { waiting: VecDeque::new(), proofs: 0, deficit: 0 }
        });
        flow.proofs = flow.proofs.saturating_add(entry.proofs);
        self.proofs = self.proofs.saturating_add(entry.proofs);
        flow.waiting.push_back(entry);
    }

    /// The entry whose turn it is, unless it has more than `most` proofs; then it is still the next one.
    ///
    /// Takes time proportional to the proofs waiting and the number of flows at worst.
    pub(super) fn pop(&mut self, most: usize) -> Option<(K, Entry<J>)> {
        loop {
            let key = *self.turns.front()?;
            let flow = self.flows.get_mut(&key)?;
            if !self.granted {
                flow.deficit = flow.deficit.saturating_add(QUANTUM);
                self.granted = true;
            }
            let cost = flow.waiting.front()?.proofs;
            if cost > flow.deficit {
                self.turns.rotate_left(1);
                self.granted = false;
                continue;
            }
            if cost > most {
                return None;
            }
            let entry = flow.waiting.pop_front()?;
            flow.deficit = flow.deficit.saturating_sub(cost);
            flow.proofs = flow.proofs.saturating_sub(cost);
            self.proofs = self.proofs.saturating_sub(cost);
            if flow.waiting.is_empty() {
                self.forget(&key);
            }
            return Some((key, entry));
        }
    }

    /// Takes an entry back.
    pub(super) fn remove(&mut self, key: &K, id: u64) -> Option<J> {
        let flow = self.flows.get_mut(key)?;
        let at = flow.waiting.iter().position(|entry| entry.id == id)?;
        let entry = flow.waiting.remove(at)?;
        flow.proofs = flow.proofs.saturating_sub(entry.proofs);
        self.proofs = self.proofs.saturating_sub(entry.proofs);
        if flow.waiting.is_empty() {
            self.forget(key);
        }
        Some(entry.job)
    }

    /// Everything that waits; the queue is empty afterwards.
    pub(super) fn drain(&mut self) -> Vec<J> {
        self.turns.clear();
        self.granted = false;
        self.proofs = 0;
        self.flows.drain().flat_map(|(_, flow)| flow.waiting).map(|entry| entry.job).collect()
    }

    fn forget(&mut self, key: &K) {
        self.flows.remove(key);
        if self.turns.front() == Some(key) {
            self.turns.pop_front();
            self.granted = false;
        } else {
            self.turns.retain(|other| other != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(id: u64, proofs: usize) -> Entry<()> {
        Entry { id, proofs, job: () }
    }

    fn order(queue: &mut FairQueue<u8, ()>) -> Vec<(u8, usize)> {
        std::iter::from_fn(|| queue.pop(usize::MAX)).map(|(key, entry)| (key, entry.proofs)).collect()
    }

    #[test]
    fn a_long_queue_does_not_delay_a_short_one() {
        let mut queue = FairQueue::new();
        for id in 0..1_000 {
            queue.push(0, entry(id, 1));
        }
        queue.push(1, entry(1_000, 1));
        let at = order(&mut queue).iter().position(|(key, _)| *key == 1);
        assert_eq!(at, Some(QUANTUM));
    }

    #[test]
    fn a_large_entry_waits_for_its_grants_and_no_longer() {
        let mut queue = FairQueue::new();
        queue.push(0, entry(0, 64));
        for id in 1..100 {
            queue.push(1, entry(id, 1));
        }
        let at = order(&mut queue).iter().position(|(key, _)| *key == 0);
        assert_eq!(at, Some(64 - QUANTUM));
        // Alone it does not wait at all.
        queue.push(0, entry(0, 64));
        assert!(queue.pop(usize::MAX).is_some());
    }

    #[test]
    fn who_waits_for_room_in_a_batch_keeps_the_turn() {
        let mut queue = FairQueue::new();
        queue.push(0, entry(0, 8));
        queue.push(1, entry(1, 1));
        for _ in 0..10 {
            assert!(queue.pop(7).is_none());
        }
        assert_eq!(order(&mut queue), [(0, 8), (1, 1)]);
    }

    #[test]
    fn what_is_taken_back_is_gone_with_its_turn() {
        let mut queue = FairQueue::new();
        queue.push(0, entry(0, 3));
        queue.push(1, entry(1, 2));
        queue.push(1, entry(2, 5));
        assert_eq!(queue.remove(&0, 0), Some(()));
        assert_eq!(queue.remove(&0, 0), None);
        assert_eq!(queue.remove(&1, 1), Some(()));
        assert_eq!((queue.proofs(), queue.proofs_of(&0), queue.proofs_of(&1)), (5, 0, 5));
        assert_eq!(order(&mut queue), [(1, 5)]);
        assert!(queue.is_empty() && queue.flows.is_empty());
        queue.push(0, entry(3, 1));
        queue.push(1, entry(4, 1));
        assert_eq!(queue.drain().len(), 2);
        assert!(queue.is_empty() && queue.flows.is_empty() && queue.proofs() == 0);
    }

    proptest! {
        /// Whoever has something waiting all the time is served its part, whatever the others queue.
        #[test]
        fn the_backlogged_get_their_share(
            sizes in proptest::collection::vec(proptest::collection::vec(1_usize..=64, 1..6), 2..7),
            served in 1_usize..2_000,
        ) {
            let mut queue = FairQueue::new();
            let mut next = 0_u64;
            // A flow repeats its sizes for ever: as soon as one goes, another comes.
            let mut push = |queue: &mut FairQueue<usize, ()>, flow: usize| {
                let sizes = &sizes[flow];
                queue.push(flow, entry(next, sizes[usize::try_from(next).unwrap() % sizes.len()]));
                next += 1;
            };
            for flow in 0..sizes.len() {
                (0..3).for_each(|_| push(&mut queue, flow));
            }
            let mut got: HashMap<usize, usize> = HashMap::new();
            let mut total = 0;
            while total < served {
                let (flow, entry) = queue.pop(usize::MAX).unwrap();
                push(&mut queue, flow);
                *got.entry(flow).or_default() += entry.proofs;
                total += entry.proofs;
            }
            let largest = sizes.iter().flatten().max().unwrap();
            let fair = total / sizes.len();
            for flow in 0..sizes.len() {
                let got = got.get(&flow).copied().unwrap_or_default();
                prop_assert!(got + QUANTUM + 2 * largest >= fair, "{got} of {fair}");
            }
        }

        /// With entries of one proof, a quantum is all that a flow can be behind.
        #[test]
        fn single_proofs_are_shared_to_a_quantum(flows in 1_usize..20, served in 1_usize..500) {
            let mut queue = FairQueue::new();
            for id in 0..flows * 500 {
                queue.push(id % flows, entry(id as u64, 1));
            }
            let mut got = vec![0; flows];
            for _ in 0..served {
                got[queue.pop(usize::MAX).unwrap().0] += 1;
            }
            for got in got {
                prop_assert!(got + QUANTUM >= served / flows);
            }
        }

        /// Counts stay right, everything comes out once, in the order of its flow.
        #[test]
        fn nothing_is_lost(steps in proptest::collection::vec((0_u8..4, 0_usize..5, 1_usize..70, 0_u8..4), 1..200)) {
            let mut queue = FairQueue::new();
            let mut model: HashMap<u8, VecDeque<(u64, usize)>> = HashMap::new();
            for (id, (what, pick, proofs, key)) in (0..).zip(steps) {
                match what {
                    0 | 1 => {
                        queue.push(key, entry(id, proofs));
                        model.entry(key).or_default().push_back((id, proofs));
                    }
                    2 => {
                        let most = if pick == 0 { proofs } else { usize::MAX };
                        match queue.pop(most) {
                            Some((key, entry)) => {
                                prop_assert!(entry.proofs <= most);
                                let first = model.get_mut(&key).and_then(VecDeque::pop_front);
                                prop_assert_eq!(first, Some((entry.id, entry.proofs)));
                            }
                            None => prop_assert!(pick == 0 || model.values().all(VecDeque::is_empty)),
                        }
                    }
                    _ => {
                        let waiting = model.entry(key).or_default();
                        let id = waiting.get(pick).map(|(id, _)| *id);
                        prop_assert_eq!(queue.remove(&key, id.unwrap_or(u64::MAX)).is_some(), id.is_some());
                        waiting.retain(|(other, _)| Some(*other) != id);
                    }
                }
                let total: usize = model.values().flatten().map(|(_, proofs)| proofs).sum();
                prop_assert_eq!(queue.proofs(), total);
                prop_assert_eq!(queue.flows.len(), model.values().filter(|flow| !flow.is_empty()).count());
                prop_assert_eq!(queue.turns.len(), queue.flows.len());
                for flow in queue.flows.values() {
                    prop_assert!(flow.deficit < 70 + QUANTUM);
                }
            }
        }
    }
}
