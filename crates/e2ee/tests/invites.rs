//! A named invite opens for the one it was made for, unchanged, and says who made it.
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
    attachment::DropSecret,
    invite::{Invite, InviteError, MAX_INLINE_ROSTER, SealedInvite},
    key_package::{KeyPackage, KeyPackagePrivate},
    roster::Roster,
    schedule::{InitSecret, JoinerSecret},
    text::TextError,
};
use fixtures::{
    CTX, GROUP, LOG, OP_DIGEST, SUITES, TRANSCRIPT, entry, entry_at, identity, inviter, key, name, node,
    package, rng, secret, vector,
};
use protocol::{Epoch, LeafId, Seq, Slot, Suite, UnixSeconds};

fn invite(suite: Suite) -> Invite {
    let joiner = JoinerSecret::derive(&InitSecret::new_group(), &secret(5), None, &OP_DIGEST);
    let roster = Roster::new(vec![entry()]).unwrap();
    Invite {
        suite,
        group: GROUP,
        epoch: Epoch::new(8),
        ctx: CTX,
        transcript: TRANSCRIPT,
        seq: Seq::new(42),
        log: LOG,
        owner: key(4).verifying_key(),
        authenticator: joiner.epoch(&CTX).authenticator,
        joiner,
        leaf_secret: secret(5),
        slot: Slot::new(2),
        leaf_id: LeafId::new(9),
        expires: UnixSeconds::new(6000),
        roster_hash: roster.hash(),
        roster: Some(roster),
        server: node(),
        name: None,
        roster_secret: None,
    }
}

fn assert_same(a: &Invite, b: &Invite) {
    assert_eq!(
        (a.suite, a.group, a.epoch, a.ctx, a.transcript, a.seq, a.log),
        (b.suite, b.group, b.epoch, b.ctx, b.transcript, b.seq, b.log)
    );
    assert_eq!((a.owner, a.slot, a.leaf_id, a.expires), (b.owner, b.slot, b.leaf_id, b.expires));
    assert_eq!((&a.joiner, &a.leaf_secret, &a.authenticator), (&b.joiner, &b.leaf_secret, &b.authenticator));
    assert_eq!((&a.roster, a.roster_hash, &a.server), (&b.roster, b.roster_hash, &b.server));
    assert_eq!((&a.name, &a.roster_secret), (&b.name, &b.roster_secret));
}

/// Sealed by an independent implementation of RFC 9180 and of these layouts.
#[test]
fn golden_invites_open() {
    for suite in SUITES {
        let own =
            KeyPackagePrivate::from_bytes(&vector(&format!("key-package-private-{}.hex", suite.code())))
                .unwrap();
        let bytes = vector(&format!("invite-{}.hex", suite.code()));
        let sealed = SealedInvite::from_bytes(&bytes).unwrap();
        assert_eq!(sealed.to_bytes(), bytes);
        assert_eq!(sealed.package(), own.package().id());
        let opened = sealed.open(&own).unwrap();
        assert_eq!(opened.inviter, inviter().verifying_key());
        assert_same(&opened.invite, &invite(suite));
    }
}

#[test]
fn invites_come_back_through_text() {
    for suite in SUITES {
        let own = package(suite, 1);
        let sealed = invite(suite).seal(own.package(), &inviter(), &mut rng(9)).unwrap();
        let text = sealed.to_text();
        assert!(text.starts_with("kith-invite1."));
        let parsed = SealedInvite::parse(&text).unwrap();
        assert_eq!(parsed, sealed);
        assert_same(&parsed.open(&own).unwrap().invite, &invite(suite));
        let again = invite(suite).seal(own.package(), &inviter(), &mut rng(10)).unwrap();
        assert_ne!(again, sealed, "a fresh encapsulation each time");
    }
}

#[test]
fn without_a_roster_only_its_hash_travels() {
    let own = package(SUITES[0], 1);
    let sealed =
        Invite { roster: None, ..invite(SUITES[0]) }.seal(own.package(), &inviter(), &mut rng(9)).unwrap();
    let opened = sealed.open(&own).unwrap().invite;
    assert_eq!(opened.roster, None);
    assert_eq!(opened.roster_hash, invite(SUITES[0]).roster_hash);
}

#[test]
fn a_large_roster_lies_elsewhere() {
    let own = package(SUITES[0], 1);
    let seal = |invite: &Invite| invite.seal(own.package(), &inviter(), &mut rng(9));
    let secret = DropSecret::from_bytes(&[0x5e; 32]);
    let elsewhere = Invite { roster: None, roster_secret: Some(secret.clone()), ..invite(SUITES[0]) };
    let opened = seal(&elsewhere).unwrap().open(&own).unwrap().invite;
    assert_same(&opened, &elsewhere);
    assert_eq!(opened.roster_secret, Some(secret.clone()));
    // A roster stands in one place.
    let twice = Invite { roster_secret: Some(secret), ..invite(SUITES[0]) };
    assert_eq!(seal(&twice).err(), Some(InviteError::Roster));
}

#[test]
fn others_cannot_open() {
    let sealed = invite(SUITES[0]).seal(package(SUITES[0], 1).package(), &inviter(), &mut rng(9)).unwrap();
    assert_eq!(sealed.open(&package(SUITES[0], 2)).err(), Some(InviteError::OtherPackage));
    // Somebody who claims the same package id still lacks the prekey.
    let other = package(SUITES[0], 2);
    let mut bytes = sealed.to_bytes();
    bytes[2..34].copy_from_slice(other.package().id().as_bytes());
    assert_eq!(SealedInvite::from_bytes(&bytes).unwrap().open(&other).err(), Some(InviteError::Seal));
}

/// A member who got an invite seals its contents, signature and all, to somebody else.
#[test]
fn passing_an_invite_on_is_refused() {
    let eve = KeyPackagePrivate::from_bytes(&vector("key-package-private-resealed.hex")).unwrap();
    let sealed = SealedInvite::from_bytes(&vector("invite-resealed.hex")).unwrap();
    assert_eq!(sealed.package(), eve.package().id());
    assert_eq!(sealed.open(&eve).err(), Some(InviteError::Signature));
}

/// Only with a signature of one's own can it be passed on, and that shows who did it.
#[test]
fn resealing_shows_the_resealer() {
    let first = package(SUITES[0], 1);
    let opened =
        invite(SUITES[0]).seal(first.package(), &inviter(), &mut rng(9)).unwrap().open(&first).unwrap();
    let second = KeyPackagePrivate::generate(
        &key(8),
        name("Eve"),
        SUITES[0],
        UnixSeconds::new(5000),
        false,
        &mut rng(3),
    );
    let resealed = opened.invite.seal(second.package(), &identity(), &mut rng(9)).unwrap();
    let seen = resealed.open(&second).unwrap();
    assert_eq!(seen.inviter, identity().verifying_key());
    assert_ne!(seen.inviter, opened.inviter);
}

#[test]
fn tampering_is_refused_at_every_byte() {
    for suite in SUITES {
        let own = package(suite, 1);
        let good = invite(suite).seal(own.package(), &inviter(), &mut rng(9)).unwrap().to_bytes();
        for at in (0..good.len()).step_by(7).chain(0..80) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let survives = SealedInvite::from_bytes(&bad).is_ok_and(|sealed| sealed.open(&own).is_ok());
            assert!(!survives, "byte {at}");
        }
        for len in 0..good.len() {
            let survives =
                SealedInvite::from_bytes(&good[..len]).is_ok_and(|sealed| sealed.open(&own).is_ok());
            assert!(!survives, "{len} bytes");
        }
    }
}

#[test]
fn suites_do_not_mix() {
    let own = package(SUITES[0], 1);
    assert_eq!(
        invite(SUITES[1]).seal(own.package(), &inviter(), &mut rng(9)).err(),
        Some(InviteError::Suite)
    );
    let mut bytes = invite(SUITES[0]).seal(own.package(), &inviter(), &mut rng(9)).unwrap().to_bytes();
    bytes[1] = 2;
    assert_eq!(SealedInvite::from_bytes(&bytes).unwrap().open(&own).err(), Some(InviteError::Suite));
    bytes[1] = 3;
    assert_eq!(SealedInvite::from_bytes(&bytes).err(), Some(Malformed));
    bytes[0] = 2;
    assert_eq!(SealedInvite::from_bytes(&bytes).err(), Some(Malformed));
}

#[test]
fn rosters_inside_are_small_and_the_named_ones() {
    let own = package(SUITES[0], 1);
    let seal = |invite: Invite| invite.seal(own.package(), &inviter(), &mut rng(9)).err();
    let large = Roster::new((0..60).map(entry_at).collect()).unwrap();
    assert!(large.to_bytes().len() > MAX_INLINE_ROSTER);
    let with =
        |roster: Roster| Invite { roster_hash: roster.hash(), roster: Some(roster), ..invite(SUITES[0]) };
    assert_eq!(seal(with(large)), Some(InviteError::Roster));
    let other = Roster::new(vec![entry_at(3)]).unwrap();
    assert_eq!(seal(Invite { roster: Some(other), ..invite(SUITES[0]) }), Some(InviteError::Roster));
    let fits = Roster::new((0..25).map(entry_at).collect()).unwrap();
    assert_eq!(seal(with(fits)), None);
}

#[test]
fn unusable_prekeys_are_refused() {
    // A signed package whose prekey is the point of order one: sealing to it would be sealing to everybody.
    let bytes = hex::decode("0a208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c12208139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b3941a20000000000000000000000000000000000000000000000000000000000000000020012888273a0341646142406d295d839ca1af75a1a7a846a0cfe38f5d03b8e7c0397a78555cffc4fe91ed6e50f0415e7c1f03c97d188d291267be62ebcb31053469984970cf5e1690bfc706").unwrap();
    let package = KeyPackage::from_bytes(&bytes).unwrap();
    let refused = invite(SUITES[0]).seal(&package, &inviter(), &mut rng(9)).err();
    assert_eq!(refused, Some(InviteError::Prekey));
}

#[test]
fn texts_say_what_is_wrong() {
    let text =
        invite(SUITES[0]).seal(package(SUITES[0], 1).package(), &inviter(), &mut rng(9)).unwrap().to_text();
    let cut = SealedInvite::parse(&text[..text.len() - 3]).err();
    assert!(matches!(cut, Some(TextError::Checksum | TextError::CutOff)));
    assert_eq!(SealedInvite::parse("kith-invite1.AAAAAA"), Err(TextError::Checksum));
    let error = SealedInvite::parse("https://example.org").err();
    assert_eq!(error, Some(TextError::Prefix { expected: "kith-invite1." }));
    let wrapped: String =
        text.as_bytes().chunks(60).map(|l| format!("{}\n", String::from_utf8_lossy(l))).collect();
    assert!(SealedInvite::parse(&wrapped).is_ok(), "lines broken by a mail program");
}
