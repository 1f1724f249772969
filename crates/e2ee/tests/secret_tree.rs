//! Secrets are used once, in any order, and what was used is gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

#[path = "support/fixtures.rs"]
mod fixtures;

use e2ee::{
    Malformed,
    schedule::MessageRoot,
    secret_tree::{Generation, RatchetError, SecretTree},
};
use fixtures::{bytes_field, number_field};
use proptest::prelude::*;
use protocol::Slot;

fn tree(capacity: u32) -> SecretTree {
    SecretTree::new(MessageRoot::from_bytes(&[9; 32]), capacity).unwrap()
}

fn slot(n: u32) -> Slot {
    Slot::new(n)
}

fn generation(n: u32) -> Generation {
    Generation::new(n)
}

fn commit(tree: &mut SecretTree, of: u32, at: u32) -> Result<(), RatchetError> {
    let key = tree.peek(slot(of), generation(at))?;
    tree.commit(key)
}

/// Whether any 32-byte window of the stored state is this secret.
fn holds(tree: &SecretTree, secret: &[u8]) -> bool {
    tree.to_bytes().windows(32).any(|window| window == secret)
}

#[test]
fn golden_state() {
    let mut tree = tree(4);
    commit(&mut tree, 2, 1).unwrap();
    assert_eq!(
        hex::encode(&*tree.to_bytes()),
        "0804122408021220e66232db20564af1a3cf23120ceb1ec2f33296e2c646dce65cf8a2bb79bd360112240807122033ee313790e953915745001169854268dcb16bb9a1891c38083850a891d3046b1a4a080210021a20e1b13cc6a25d319473aedcdc0f0b0fcd608d8f13e7e2970f2131f39ddfd346932222122027808611a2d6624a9f053b509ab1e312e44bed98cd9c91c5a97871e1c641cdd5"
    );
}

#[test]
fn capacity_is_a_power_of_two_within_the_bound() {
    let fresh = |capacity| SecretTree::new(MessageRoot::from_bytes(&[9; 32]), capacity).err();
    assert_eq!(fresh(1), None);
    assert_eq!(fresh(1 << 24), None);
    for bad in [0, 3, 6, 1 << 25, u32::MAX] {
        assert_eq!(fresh(bad), Some(RatchetError::Capacity(bad)));
    }
}

#[test]
fn looking_changes_nothing() {
    let mut tree = tree(8);
    commit(&mut tree, 3, 2).unwrap();
    let before = tree.to_bytes();
    let _ = tree.peek(slot(5), generation(40)).unwrap();
    let _ = tree.peek(slot(3), generation(900)).unwrap();
    let _ = tree.peek(slot(3), generation(0)).unwrap();
    assert_eq!(tree.to_bytes(), before);
}

#[test]
fn refusals_change_nothing() {
    let mut tree = tree(8);
    commit(&mut tree, 3, 2).unwrap();
    let before = tree.to_bytes();
    assert_eq!(commit(&mut tree, 8, 0), Err(RatchetError::NoSuchSlot(slot(8))));
    assert_eq!(commit(&mut tree, u32::MAX, 0), Err(RatchetError::NoSuchSlot(slot(u32::MAX))));
    assert_eq!(commit(&mut tree, 3, 2), Err(RatchetError::Used));
    assert_eq!(commit(&mut tree, 3, 1_004), Err(RatchetError::TooFarAhead(1_001)));
    assert_eq!(commit(&mut tree, 4, 1_001), Err(RatchetError::TooFarAhead(1_001)));
    assert_eq!(commit(&mut tree, 4, u32::MAX), Err(RatchetError::TooFarAhead(u32::MAX)));
    assert_eq!(tree.to_bytes(), before);
}

#[test]
fn a_generation_is_used_once() {
    let mut tree = tree(2);
    let (one, two) = (tree.peek(slot(1), generation(3)).unwrap(), tree.peek(slot(1), generation(3)).unwrap());
    tree.commit(one).unwrap();
    assert_eq!(tree.commit(two), Err(RatchetError::Used), "looked up before, committed after");
    assert_eq!(tree.peek(slot(1), generation(3)).err(), Some(RatchetError::Used));
    for late in [1, 0, 2] {
        commit(&mut tree, 1, late).unwrap();
        assert_eq!(commit(&mut tree, 1, late), Err(RatchetError::Used));
    }
}

#[test]
fn late_commits_do_not_bring_used_secrets_back() {
    let mut tree = tree(2);
    let early = tree.peek(slot(0), generation(2)).unwrap();
    let late = tree.peek(slot(0), generation(5)).unwrap();
    tree.commit(early).unwrap();
    tree.commit(late).unwrap();
    assert_eq!(commit(&mut tree, 0, 2), Err(RatchetError::Used));
}

#[test]
fn skipped_secrets_are_bounded() {
    let mut tree = tree(2);
    commit(&mut tree, 0, 1_000).unwrap();
    assert_eq!(commit(&mut tree, 0, 1_002), Err(RatchetError::TooManySkipped));
    commit(&mut tree, 0, 1_001).unwrap();
    commit(&mut tree, 0, 17).unwrap();
    commit(&mut tree, 0, 1_003).unwrap();
    assert_eq!(commit(&mut tree, 0, 1_005), Err(RatchetError::TooManySkipped));
    commit(&mut tree, 1, 1_000).unwrap();
    let stored = SecretTree::from_bytes(&tree.to_bytes()).unwrap();
    assert_eq!(stored.to_bytes(), tree.to_bytes());
}

#[test]
fn parents_are_gone_once_expanded() {
    let mut tree = tree(8);
    let root = [9; 32];
    assert!(holds(&tree, &root));
    commit(&mut tree, 5, 0).unwrap();
    assert!(!holds(&tree, &root));
    // What is left of the path to slot 5 (heap 13): its siblings 2, 7, 12, and the chain after generation 0.
    let state = hex::encode(&*tree.to_bytes());
    assert_eq!(state.matches("1220").count(), 3, "three siblings: {state}");
    assert_eq!(tree.next_generation(slot(5)), Some(generation(1)));
    assert_eq!(tree.next_generation(slot(4)), Some(generation(0)));
}

#[test]
fn a_stolen_state_does_not_open_what_was_used() {
    let mut receiver = tree(4);
    for at in [0, 1, 2] {
        commit(&mut receiver, 1, at).unwrap();
    }
    let stolen = SecretTree::from_bytes(&receiver.to_bytes()).unwrap();
    for at in [0, 1, 2] {
        assert_eq!(stolen.peek(slot(1), generation(at)).err(), Some(RatchetError::Used));
    }
    assert!(stolen.peek(slot(1), generation(3)).is_ok());
}

#[test]
fn own_generations_count_up() {
    let mut tree = tree(4);
    let first = tree.reserve(slot(2)).unwrap();
    let second = tree.reserve(slot(2)).unwrap();
    assert_eq!((first.slot(), first.generation()), (slot(2), generation(0)));
    assert_eq!(second.generation(), generation(1));
    assert_eq!(tree.peek(slot(2), generation(0)).err(), Some(RatchetError::Used));
    assert_eq!(tree.reserve(slot(4)).err(), Some(RatchetError::NoSuchSlot(slot(4))));
}

#[test]
fn the_last_generation_is_the_last() {
    let chain = [number_field(2, u64::from(u32::MAX)), bytes_field(3, &[7; 32])].concat();
    let state = [number_field(1, 1), bytes_field(3, &chain)].concat();
    let mut tree = SecretTree::from_bytes(&state).unwrap();
    assert_eq!(tree.reserve(slot(0)).unwrap().generation(), generation(u32::MAX));
    assert_eq!(tree.reserve(slot(0)).err(), Some(RatchetError::Exhausted));
    assert_eq!(tree.peek(slot(0), generation(u32::MAX)).err(), Some(RatchetError::Used));
    let stored = SecretTree::from_bytes(&tree.to_bytes()).unwrap();
    assert_eq!(stored.next_generation(slot(0)), None);
}

#[test]
fn large_trees_are_cheap() {
    let mut tree = tree(1 << 15);
    assert!(tree.to_bytes().len() < 64);
    commit(&mut tree, 12_345, 0).unwrap();
    let len = tree.to_bytes().len();
    assert!(len < 15 * 45 + 64, "{len} bytes for one path");
    commit(&mut tree, 12_344, 0).unwrap();
    assert!(tree.to_bytes().len() <= len + 5, "the sibling's node became its chain");
}

#[test]
fn states_that_are_never_written_are_refused() {
    let mut tree = tree(4);
    commit(&mut tree, 2, 1).unwrap();
    let good = tree.to_bytes().to_vec();
    for len in 0..good.len() {
        // A prefix that ends between two fields is a state with less in it, which only its capacity betrays.
        if let Ok(shorter) = SecretTree::from_bytes(&good[..len]) {
            assert_eq!(shorter.to_bytes().as_slice(), &good[..len]);
        }
    }
    let mut wrong_capacity = good.clone();
    wrong_capacity[1] = 3;
    assert_eq!(SecretTree::from_bytes(&wrong_capacity).err(), Some(Malformed));
    let mut wrong_slot = good.clone();
    wrong_slot[1] = 2;
    assert_eq!(SecretTree::from_bytes(&wrong_slot).err(), Some(Malformed), "slot 2 of two");
    let mut trailing = good;
    trailing.extend([0x20, 1]);
    assert_eq!(SecretTree::from_bytes(&trailing).err(), Some(Malformed), "an unknown field");
}

#[test]
fn impossible_states_are_refused() {
    let node = |index| bytes_field(2, &[number_field(1, index), bytes_field(2, &[7; 32])].concat());
    let kept = |generation| bytes_field(4, &[number_field(1, generation), bytes_field(2, &[7; 32])].concat());
    let chain = |slot, next, kept: &[u8]| {
        let parts = [number_field(1, slot), number_field(2, next), bytes_field(3, &[7; 32]), kept.to_vec()];
        bytes_field(3, &parts.concat())
    };
    let read = |parts: &[Vec<u8>]| {
        SecretTree::from_bytes(&[number_field(1, 4), parts.concat()].concat()).map(|tree| tree.capacity())
    };
    assert_eq!(read(&[node(2), node(7)]), Ok(4));
    assert_eq!(read(&[node(7), node(2)]), Err(Malformed), "out of order");
    assert_eq!(read(&[node(2), node(2)]), Err(Malformed), "twice");
    assert_eq!(read(&[node(8)]), Err(Malformed), "below the leaves");
    assert_eq!(read(&[bytes_field(2, &bytes_field(2, &[7; 32]))]), Err(Malformed), "node 0");
    assert_eq!(
        read(&[bytes_field(2, &[number_field(1, 2), bytes_field(2, &[7; 31])].concat())]),
        Err(Malformed)
    );
    assert_eq!(read(&[chain(1, 3, &kept(2)), chain(3, 1, &[])]), Ok(4));
    assert_eq!(read(&[chain(3, 1, &[]), chain(1, 1, &[])]), Err(Malformed), "out of order");
    assert_eq!(read(&[chain(4, 1, &[])]), Err(Malformed), "no such slot");
    assert_eq!(read(&[chain(1, 3, &kept(3))]), Err(Malformed), "kept and not yet reached");
    assert_eq!(read(&[chain(1, 1 << 32, &[])]), Ok(4));
    assert_eq!(read(&[chain(1, (1 << 32) + 1, &[])]), Err(Malformed), "beyond the last generation");
    let many = |count: u64| (1..=count).flat_map(kept).collect::<Vec<_>>();
    assert_eq!(read(&[chain(1, 2_000, &many(1_000))]), Ok(4));
    assert_eq!(read(&[chain(1, 2_000, &many(1_001))]), Err(Malformed), "more kept than allowed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any order of arrival uses every generation exactly once, with the same keys whatever came before.
    #[test]
    fn order_does_not_matter(mut order in Just((0..24u32).collect::<Vec<_>>()).prop_shuffle(), restart in 0..24usize) {
        let mut a = tree(4);
        for (step, at) in order.iter().enumerate() {
            if step == restart {
                a = SecretTree::from_bytes(&a.to_bytes()).unwrap();
            }
            commit(&mut a, 3, *at).unwrap();
            prop_assert_eq!(commit(&mut a, 3, *at), Err(RatchetError::Used));
        }
        let mut b = tree(4);
        order.sort_unstable();
        for at in &order {
            commit(&mut b, 3, *at).unwrap();
        }
        prop_assert_eq!(a.to_bytes(), b.to_bytes());
    }

    #[test]
    fn order_of_senders_does_not_matter(mut order in Just((0..16u32).collect::<Vec<_>>()).prop_shuffle()) {
        let (mut a, mut b) = (tree(16), tree(16));
        for sender in &order {
            commit(&mut a, *sender, 0).unwrap();
        }
        order.reverse();
        for sender in &order {
            commit(&mut b, *sender, 0).unwrap();
        }
        prop_assert_eq!(a.to_bytes(), b.to_bytes());
    }

    #[test]
    fn arbitrary_states_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(tree) = SecretTree::from_bytes(&bytes) {
            let stored = tree.to_bytes();
            prop_assert_eq!(stored.as_slice(), bytes.as_slice());
        }
    }
}
