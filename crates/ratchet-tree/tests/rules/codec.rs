//! Bytes of a tree, there and back, and everything that is no tree.

use proptest::{prelude::*, test_runner::Config};
use ratchet_tree::{Leaf, Tree, TreeDecodeError};
use sha2::{Digest, Sha256};

use crate::{
    hash::motley,
    support::{World, secret, sig, slot},
};

const HEAD: usize = 1 + 1 + 8 + 32 + 4;
const ACTIVE: usize = 4 + 1 + 32 + 32 + 8 + 8;

fn decode(bytes: &[u8]) -> Result<Tree, TreeDecodeError> {
    Tree::from_bytes(bytes)
}

/// Decodes a copy with `new` written over the bytes from `at` on.
fn patched(bytes: &[u8], at: usize, new: &[u8]) -> Result<Tree, TreeDecodeError> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    Tree::from_bytes(&bytes)
}

/// Where the leaf of slot `n` begins.
fn leaf_at(tree: &Tree, n: u32) -> usize {
    let before = tree.leaves().take_while(|(slot, _)| slot.get() < n).map(|(_, leaf)| match leaf {
        Leaf::Live(live) if live.is_active() => ACTIVE,
        Leaf::Live(_) => ACTIVE + 16,
        Leaf::Vacant { .. } => 4 + 1 + 32 + 8,
        Leaf::Dirty { .. } | Leaf::Empty => 4 + 1 + 32,
    });
    HEAD + before.sum::<usize>()
}

#[test]
fn a_decoded_tree_is_the_one_that_was_folded() {
    for world in [World::new(), World::of(2), World::of(3), World::of(13), motley()] {
        let bytes = world.tree.to_bytes();
        let decoded = decode(&bytes).unwrap();
        assert_eq!(decoded, world.tree);
        assert_eq!(decoded.to_bytes(), bytes);
        assert_eq!(decoded.placement(), world.tree.placement());
        decoded.audit().unwrap();
    }
}

#[test]
fn changes_go_on_after_decoding() {
    let mut world = motley();
    world.tree = decode(&world.tree.to_bytes()).unwrap();
    assert_eq!(world.heal(0), slot(5));
    world.update(1);
    world.tree.audit().unwrap();
}

#[test]
fn golden_bytes() {
    let world = World::of(2);
    let bytes = world.tree.to_bytes();
    assert_eq!(bytes.len(), HEAD + 2 * ACTIVE + 32);
    let golden = concat!(
        "01",                                                               // version
        "01",                                                               // depth
        "0000000000000002",                                                 // next leaf id
        "b405e694a13f73a4413142d1f18ab164f5defe39423e72afd91059deb21b4a23", // K_sign
        "00000002",                                                         // number of leaves
        "00000000",                                                         // slot
        "03",                                                               // kind
        "d90a1581407b908f113533cf062f561d1306708cc147b1305315d3820da6c1a7", // dh
        "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29", // sig
        "0000000000000000",                                                 // leaf id
        "0000000000000000",                                                 // since
        "00000001",                                                         // slot
        "03",                                                               // kind
        "b549c13cfb24c0d0c8e941d591e39cbd6be652ce34e036c87204dfa5e3ec2b82", // dh
        "b1703fe3cfd4db24d0f79466875b8cc83c03d05ff4c9827bc14c44f7df332283", // sig
        "0000000000000001",                                                 // leaf id
        "0000000000000001",                                                 // since
        "784124c71625981066eaba2f36d3db073c043128919a8a4b9a23d8a023a94ba1", // derived key
    );
    assert_eq!(hex::encode(&bytes), golden);
    assert_eq!(
        hex::encode(Sha256::digest(motley().tree.to_bytes())),
        "d8755248d1cee8c8ce100a69c80d32f8f2ac1d88e425591100b8d1b2ff47786d"
    );
}

#[test]
fn truncated_at_every_length() {
    let bytes = World::of(3).tree.to_bytes();
    for len in 0..bytes.len() {
        assert_eq!(decode(&bytes[..len]).unwrap_err(), TreeDecodeError::Truncated, "{len} bytes");
    }
}

#[test]
fn a_count_alone_allocates_nothing() {
    let mut bytes = World::of(3).tree.to_bytes();
    bytes[1] = 24;
    assert_eq!(
        patched(&bytes, HEAD - 4, &(1u32 << 24).to_be_bytes()).unwrap_err(),
        TreeDecodeError::Truncated
    );
}

#[test]
fn trailing_bytes() {
    let mut bytes = World::of(3).tree.to_bytes();
    bytes.push(0);
    assert_eq!(decode(&bytes).unwrap_err(), TreeDecodeError::TrailingBytes);
}

#[test]
fn unknown_version_and_depth() {
    let bytes = World::of(3).tree.to_bytes();
    assert_eq!(patched(&bytes, 0, &[2]).unwrap_err(), TreeDecodeError::UnknownVersion);
    assert_eq!(patched(&bytes, 1, &[25]).unwrap_err(), TreeDecodeError::TooDeep);
}

#[test]
fn a_leaf_count_beyond_the_capacity_or_of_zero() {
    let bytes = World::of(3).tree.to_bytes();
    assert_eq!(patched(&bytes, HEAD - 4, &5u32.to_be_bytes()).unwrap_err(), TreeDecodeError::LeafCount);
    assert_eq!(patched(&bytes, HEAD - 4, &[0; 4]).unwrap_err(), TreeDecodeError::LeafCount);
}

#[test]
fn leaves_out_of_order_or_beyond_the_capacity() {
    let world = World::of(3);
    let bytes = world.tree.to_bytes();
    let at = leaf_at(&world.tree, 1);
    assert_eq!(patched(&bytes, at, &0u32.to_be_bytes()).unwrap_err(), TreeDecodeError::LeafOrder);
    let at = leaf_at(&world.tree, 2);
    assert_eq!(patched(&bytes, at, &4u32.to_be_bytes()).unwrap_err(), TreeDecodeError::LeafOrder);
    assert_eq!(patched(&bytes, at, &u32::MAX.to_be_bytes()).unwrap_err(), TreeDecodeError::LeafOrder);
}

#[test]
fn unknown_leaf_kinds() {
    let bytes = World::new().tree.to_bytes();
    for kind in [0, 1, 2, 7, 255] {
        assert_eq!(patched(&bytes, HEAD + 4, &[kind]).unwrap_err(), TreeDecodeError::UnknownLeafKind);
    }
}

#[test]
fn tree_keys_outside_the_group_and_reserved_ones() {
    let world = World::of(2);
    let bytes = world.tree.to_bytes();
    let places = [HEAD - 36, HEAD + 5, bytes.len() - 32];
    let mut identity = [0; 32];
    identity[0] = 1;
    let reserved = [*curve::Point::generator().as_bytes(), *curve::Point::sign_base().as_bytes()];
    for at in places {
        for bad in [[0xff; 32], identity, reserved[0], reserved[1]] {
            assert_eq!(patched(&bytes, at, &bad).unwrap_err(), TreeDecodeError::BadTreeKey, "at {at}");
        }
    }
}

#[test]
fn bad_signature_keys() {
    let bytes = World::new().tree.to_bytes();
    assert_eq!(patched(&bytes, HEAD + 37, &[0; 32]).unwrap_err(), TreeDecodeError::BadSignatureKey);
}

#[test]
fn duplicates() {
    let world = World::of(3);
    let bytes = world.tree.to_bytes();
    let at = leaf_at(&world.tree, 1);
    let dh = *world.tree.leaf(slot(2)).dh().unwrap().as_bytes();
    assert_eq!(patched(&bytes, at + 5, &dh).unwrap_err(), TreeDecodeError::DuplicateTreeKey);
    assert_eq!(
        patched(&bytes, at + 37, sig(0).as_bytes()).unwrap_err(),
        TreeDecodeError::DuplicateSignatureKey
    );
    assert_eq!(patched(&bytes, at + 69, &2u64.to_be_bytes()).unwrap_err(), TreeDecodeError::BadLeafId);
}

#[test]
fn leaf_ids_never_given_out() {
    let world = World::of(3);
    let bytes = world.tree.to_bytes();
    assert_eq!(patched(&bytes, 2, &2u64.to_be_bytes()).unwrap_err(), TreeDecodeError::BadLeafId);
}

#[test]
fn inner_keys_that_do_not_fit_the_leaves() {
    // Three leaves have two nodes with two children, wherever the leaves are.
    let world = World::of(3);
    let mut bytes = world.tree.to_bytes();
    bytes.truncate(bytes.len() - 32);
    assert_eq!(decode(&bytes).unwrap_err(), TreeDecodeError::Truncated);
    bytes.extend([secret(1).public(), secret(2).public()].iter().flat_map(|key| *key.as_bytes()));
    assert_eq!(decode(&bytes).unwrap_err(), TreeDecodeError::TrailingBytes);
}

#[test]
fn a_tree_that_should_have_been_halved() {
    let bytes = World::of(4).tree.to_bytes();
    assert_eq!(patched(&bytes, 1, &[3]).unwrap_err(), TreeDecodeError::NotHalved);
}

#[test]
fn a_tree_without_active_leaf() {
    let world = World::new();
    let mut bytes = world.tree.to_bytes();
    bytes.truncate(HEAD + 37);
    assert_eq!(patched(&bytes, HEAD + 4, &[6]).unwrap_err(), TreeDecodeError::NoActiveLeaf);
}

#[test]
fn a_leaf_keyed_by_nobody_active() {
    let world = motley();
    let bytes = world.tree.to_bytes();
    let vacant = leaf_at(&world.tree, 3);
    assert!(matches!(world.tree.leaf(slot(3)), Leaf::Vacant { .. }));
    for keyer in [world.id(1), protocol::LeafId::new(5)] {
        let bytes = patched(&bytes, vacant + 37, &keyer.get().to_be_bytes());
        assert_eq!(bytes.unwrap_err(), TreeDecodeError::Ghost, "invited, or gone");
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn damaged_bytes_are_refused_or_canonical(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = motley().tree.to_bytes();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(tree) = decode(&bytes) {
            prop_assert_eq!(tree.to_bytes(), bytes);
            prop_assert!(tree.audit().is_ok());
        }
    }
}
