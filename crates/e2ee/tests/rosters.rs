//! Credentials bind an identity to one leaf as it is now; rosters are believed entry by entry.
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
    credential::{CredentialError, LeafBinding, LeafCredential, Profile},
    roster::{MAX_ROSTER, MAX_SNAPSHOT, Roster, RosterEntry, RosterError},
};
use fixtures::{GROUP, entry, entry_at, identity, key, leaf, name, profile, secret};
use protocol::{Epoch, GroupId, LeafId, Slot};
use sha2::{Digest, Sha256};

#[test]
fn golden_bytes() {
    let credential = LeafCredential::sign(&leaf(), &identity());
    assert_eq!(
        hex::encode(credential.signature().as_bytes()),
        "5550d2fe6b1783ab8932df69222ae652cfb3892ec77b31c3d4fddb2e68e74fee877ad008eb231d648050c761cc8c54e08e451c9ac41dcaad81dbbdfec8cbf302"
    );
    assert_eq!(
        hex::encode(profile().signature().as_bytes()),
        "06f8ff74911928b24129df15dd31edab7090a20cf70d5dfc3dc945ab5a6bd1c23802563f03e630939ee48f1f98dda50adc16ddf77526644e9790a0f8f8497600"
    );
    let roster = Roster::new(vec![entry()]).unwrap();
    assert_eq!(
        hex::encode(Sha256::digest(roster.to_bytes())),
        "955fd49c1f3bde0b90804acca4b515464b783e358f94bedfe3306f79de2e8d97"
    );
    assert_eq!(
        hex::encode(roster.hash().as_bytes()),
        "b016ea37cc4dda31d45e33207b56739787eefd6a71d9c57d44391d4fcbea81d1"
    );
}

#[test]
fn every_value_of_the_leaf_is_signed() {
    let good = leaf();
    let credential = LeafCredential::sign(&good, &identity());
    assert_eq!(credential.verify(&good), Ok(()));
    let others = [
        LeafBinding { group: GroupId::new([0x12; 32]), ..good },
        LeafBinding { slot: Slot::new(3), ..good },
        LeafBinding { leaf_id: LeafId::new(10), ..good },
        LeafBinding { dh: secret(8).public(), ..good },
        LeafBinding { sig: key(9).verifying_key(), ..good },
        LeafBinding { since: Epoch::new(7), ..good },
    ];
    for other in others {
        assert_eq!(credential.verify(&other), Err(CredentialError::Leaf), "{other:?}");
    }
    let stolen = LeafCredential::from_parts(key(9).verifying_key(), *credential.signature());
    assert_eq!(stolen.verify(&good), Err(CredentialError::Leaf), "another identity");
}

#[test]
fn profiles_are_of_one_identity_in_one_group() {
    let who = identity().verifying_key();
    assert_eq!(profile().verify(&who, &GROUP), Ok(()));
    let refused = Err(CredentialError::Profile);
    assert_eq!(profile().verify(&who, &GroupId::new([0x12; 32])), refused);
    assert_eq!(profile().verify(&key(9).verifying_key(), &GROUP), refused);
    let renamed = Profile::from_parts(name("Eve"), 3, *profile().signature());
    assert_eq!(renamed.verify(&who, &GROUP), refused);
    let revived = Profile::from_parts(name("Ada"), 4, *profile().signature());
    assert_eq!(revived.verify(&who, &GROUP), refused);
}

#[test]
fn entries_are_checked_against_the_tree() {
    let good = entry();
    assert_eq!(good.verify(&leaf()), Ok(()));
    assert_eq!(*good.identity(), identity().verifying_key());
    let updated = LeafBinding { since: Epoch::new(7), ..leaf() };
    assert_eq!(good.verify(&updated), Err(CredentialError::OtherLeaf), "the leaf was updated since");
    let moved = RosterEntry { slot: Slot::new(3), ..entry() };
    assert_eq!(moved.verify(&leaf()), Err(CredentialError::OtherLeaf));
    assert_eq!(moved.verify(&LeafBinding { slot: Slot::new(3), ..leaf() }), Err(CredentialError::Leaf));
    let eve = Profile::sign(name("Eve"), 9, &GROUP, &key(9));
    let mixed = RosterEntry { profile: eve, ..entry() };
    assert_eq!(mixed.verify(&leaf()), Err(CredentialError::Profile), "somebody else's name");
}

#[test]
fn rosters_are_ordered() {
    let roster = Roster::new(vec![entry_at(5), entry_at(1), entry_at(3)]).unwrap();
    let slots: Vec<_> = roster.entries().iter().map(|entry| entry.slot.get()).collect();
    assert_eq!(slots, [1, 3, 5]);
    assert_eq!(Roster::from_bytes(&roster.to_bytes()), Ok(roster.clone()));
    assert_eq!(Roster::new(vec![entry_at(1), entry_at(1)]), Err(RosterError::Twice(Slot::new(1))));
    let half = |slot| Roster::new(vec![entry_at(slot)]).unwrap().to_bytes();
    assert_eq!(Roster::from_bytes(&[half(3), half(1)].concat()), Err(Malformed), "out of order");
    assert_eq!(Roster::from_bytes(&[half(1), half(1)].concat()), Err(Malformed), "twice");
    assert_ne!(roster.hash(), Roster::new(vec![entry_at(1)]).unwrap().hash());
}

#[test]
fn large_groups_take_pages() {
    let entries: Vec<_> = (0..500).map(entry_at).collect();
    assert!(matches!(Roster::new(entries.clone()), Err(RosterError::TooLong { max: MAX_ROSTER, .. })));
    let pages = Roster::pages(entries.clone()).unwrap();
    assert!(pages.len() >= 2);
    for page in &pages {
        assert!(page.to_bytes().len() <= MAX_ROSTER);
        assert_eq!(Roster::from_bytes(&page.to_bytes()).as_ref(), Ok(page));
    }
    let fill = pages.first().unwrap().to_bytes().len();
    assert!(fill > MAX_ROSTER - 512, "pages are filled: {fill}");
    let back: Vec<_> = pages.into_iter().flat_map(Roster::into_entries).collect();
    assert_eq!(back, entries);
    assert_eq!(Roster::pages(Vec::new()), Ok(Vec::new()));
    assert_eq!(Roster::pages(vec![entry(), entry()]), Err(RosterError::Twice(Slot::new(2))));
}

#[test]
fn a_snapshot_has_everybody() {
    let entries: Vec<_> = (0..500).map(entry_at).collect();
    let snapshot = Roster::snapshot(entries.clone()).unwrap();
    let bytes = snapshot.to_bytes();
    assert!(bytes.len() > MAX_ROSTER);
    assert_eq!(Roster::from_bytes(&bytes), Err(Malformed), "too long for a payload");
    let back = Roster::from_snapshot(&bytes).unwrap();
    assert_eq!((back.hash(), back.entries()), (snapshot.hash(), entries.as_slice()));
    assert_eq!(Roster::snapshot(vec![entry(), entry()]), Err(RosterError::Twice(Slot::new(2))));
    assert_eq!(Roster::from_snapshot(&vec![0; MAX_SNAPSHOT + 1]), Err(Malformed));
    // What fits a payload is the same in either form.
    let small = Roster::new(vec![entry()]).unwrap();
    assert_eq!(Roster::snapshot(vec![entry()]), Ok(small));
}

#[test]
fn tampered_rosters_do_not_verify() {
    let good = Roster::new(vec![entry()]).unwrap().to_bytes();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let survives = Roster::from_bytes(&bad)
            .is_ok_and(|roster| roster.entries().iter().any(|entry| entry.verify(&leaf()).is_ok()));
        assert!(!survives, "byte {at}");
    }
}
