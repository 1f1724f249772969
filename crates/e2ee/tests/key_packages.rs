//! Key packages come from their identity, travel sealed, and are found and opened with a contact string.
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
    Malformed, OpenError,
    contact::{Contact, ContactError, ContactSecret, MAX_SEALED_PACKAGE, MailboxId},
    key_package::{KeyPackage, KeyPackagePrivate},
    text::TextError,
};
use fixtures::{SUITES, identity, key, name, node, package, rng, vector};
use proptest::prelude::*;
use protocol::UnixSeconds;

const CONTACT: &str = "kith-contact1.CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwuKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXGh0dHBzOi8vbm9kZS5leGFtcGxlUmf-zA";

fn contact() -> Contact {
    Contact {
        secret: ContactSecret::from_bytes(&[0x0b; 32]),
        identity: identity().verifying_key(),
        node: node(),
    }
}

#[test]
fn golden_packages() {
    let ids = [
        "578c17ae845525e29db9d2defc0ec79fa8c31ef6e36c74cbfbeb2f6967e74163",
        "e9b60964c4031c0019f57afdf89524abfa78dff898aba99ff7aeb377d5375e6b",
    ];
    for (suite, id) in SUITES.into_iter().zip(ids) {
        let bytes = vector(&format!("key-package-private-{}.hex", suite.code()));
        let private = KeyPackagePrivate::from_bytes(&bytes).unwrap();
        assert_eq!(private.to_bytes().as_slice(), bytes.as_slice());
        let package = private.package();
        assert_eq!(hex::encode(package.id().as_bytes()), id);
        assert_eq!(package.suite(), suite);
        assert_eq!(package.name(), &name("Ada"));
        assert_eq!(package.identity(), &identity().verifying_key());
        assert_eq!(package.sig(), &private.sig().verifying_key());
        assert!(!package.is_last_resort());
        assert_eq!(KeyPackage::from_bytes(&package.to_bytes()).as_ref(), Ok(package));
    }
}

#[test]
fn packages_expire() {
    let private = package(SUITES[0], 1);
    assert_eq!(private.package().expires(), UnixSeconds::new(5000));
    assert!(!private.package().is_expired(UnixSeconds::new(4999)));
    assert!(private.package().is_expired(UnixSeconds::new(5000)));
}

#[test]
fn every_byte_is_signed() {
    let good = package(SUITES[0], 1).package().to_bytes();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(KeyPackage::from_bytes(&bad), Err(Malformed), "byte {at}");
    }
    for len in 0..good.len() {
        assert!(KeyPackage::from_bytes(&good[..len]).is_err());
    }
    let last_resort = KeyPackagePrivate::generate(
        &identity(),
        name("Ada"),
        SUITES[0],
        UnixSeconds::new(1),
        true,
        &mut rng(1),
    );
    assert!(KeyPackage::from_bytes(&last_resort.package().to_bytes()).unwrap().is_last_resort());
}

#[test]
fn keys_are_fresh_and_halves_belong_together() {
    let (one, two) = (package(SUITES[0], 1), package(SUITES[0], 2));
    assert_ne!(one.package().sig(), two.package().sig());
    assert_ne!(one.package().prekey(), two.package().prekey());
    let stored = one.to_bytes();
    assert_eq!(KeyPackagePrivate::from_bytes(&stored).unwrap().package(), one.package());
    let secrets = stored.len() - 68;
    for at in [secrets + 2, secrets + 40] {
        let mut wrong_half = stored.to_vec();
        wrong_half[at] ^= 0x10;
        assert_eq!(KeyPackagePrivate::from_bytes(&wrong_half).err(), Some(Malformed), "byte {at}");
    }
}

#[test]
fn mailbox_and_packages_belong_to_the_contact_secret() {
    let mailbox = contact().secret.mailbox();
    assert_eq!(mailbox.to_string(), "03f4d248860e6cbb8798aa8c539d1e141db80d54462a97141d7ff6b8b9eac28a");
    assert_eq!(MailboxId::new(*mailbox.as_bytes()), mailbox);
    let private = package(SUITES[1], 1);
    let sealed = contact().secret.seal_package(private.package(), &mut rng(7));
    assert_eq!(sealed.len(), 24 + 512 + 16);
    assert_eq!(contact().open_package(&sealed).as_ref(), Ok(private.package()));
    let again = contact().secret.seal_package(private.package(), &mut rng(8));
    assert_ne!(sealed[24..], again[24..], "fresh nonces");
    let long = KeyPackagePrivate::generate(
        &identity(),
        name(&"x".repeat(64)),
        SUITES[0],
        UnixSeconds::new(u64::MAX),
        true,
        &mut rng(1),
    );
    assert_eq!(
        contact().secret.seal_package(long.package(), &mut rng(7)).len(),
        sealed.len(),
        "one length for all"
    );
}

#[test]
fn sealed_packages_are_refused_when_touched() {
    let good = contact().secret.seal_package(package(SUITES[0], 1).package(), &mut rng(7));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(contact().open_package(&bad), Err(ContactError::Open(OpenError::Seal)), "byte {at}");
    }
    for len in 0..good.len() {
        assert!(contact().open_package(&good[..len]).is_err());
    }
    let long = vec![0; MAX_SEALED_PACKAGE + 1];
    assert_eq!(contact().open_package(&long), Err(ContactError::Open(OpenError::Length)));
    let other = Contact { secret: ContactSecret::from_bytes(&[1; 32]), ..contact() };
    assert_eq!(other.open_package(&good), Err(ContactError::Open(OpenError::Seal)), "another mailbox");
}

#[test]
fn a_filled_mailbox_does_not_pass_for_the_contact() {
    let eve = KeyPackagePrivate::generate(
        &key(9),
        name("Ada"),
        SUITES[0],
        UnixSeconds::new(5000),
        false,
        &mut rng(3),
    );
    let sealed = contact().secret.seal_package(eve.package(), &mut rng(7));
    assert_eq!(contact().open_package(&sealed), Err(ContactError::OtherIdentity));
}

#[test]
fn contact_strings() {
    assert_eq!(*contact().to_text(), CONTACT);
    let parsed = Contact::parse(CONTACT).unwrap();
    assert_eq!(parsed.secret, contact().secret);
    assert_eq!(parsed.identity, contact().identity);
    assert_eq!(parsed.node, contact().node);
    assert!(Contact::parse(&format!("  {CONTACT}\n")).is_ok());
    let cases = [
        (CONTACT.replace("contact1", "contact2"), TextError::Version { expected: "kith-contact1." }),
        (CONTACT.replace("contact1", "invite1"), TextError::Prefix { expected: "kith-contact1." }),
        ("hello".to_owned(), TextError::Prefix { expected: "kith-contact1." }),
        (CONTACT.replace('C', "c"), TextError::Checksum),
        (CONTACT[..CONTACT.len() - 2].to_owned(), TextError::Checksum),
    ];
    for (text, error) in cases {
        assert_eq!(Contact::parse(&text).err(), Some(error), "{text}");
    }
}

#[test]
fn contact_strings_are_refused_at_every_changed_character() {
    for at in 0..CONTACT.len() {
        let mut bad = CONTACT.as_bytes().to_vec();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        assert!(Contact::parse(core::str::from_utf8(&bad).unwrap()).is_err(), "character {at}");
    }
}

#[test]
fn contact_secrets_are_drawn() {
    assert_ne!(ContactSecret::generate(&mut rng(1)), ContactSecret::generate(&mut rng(2)));
}

proptest! {
    #[test]
    fn contact_round_trip(secret in any::<[u8; 32]>(), seed in any::<u8>(), port in any::<u16>()) {
        let node = e2ee::node_url::NodeUrl::new(&format!("http://host-{seed}.example:{port}/x")).unwrap();
        let contact =
            Contact { secret: ContactSecret::from_bytes(&secret), identity: key(seed).verifying_key(), node };
        let parsed = Contact::parse(&contact.to_text()).unwrap();
        prop_assert_eq!(parsed.secret, contact.secret);
        prop_assert_eq!(parsed.identity, contact.identity);
        prop_assert_eq!(parsed.node, contact.node);
    }

    #[test]
    fn arbitrary_packages_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(KeyPackage::from_bytes(&bytes).is_err());
        prop_assert!(KeyPackagePrivate::from_bytes(&bytes).is_err());
    }
}
