//! Sizes, counts, numbers, keys.

use curve::Point;
use protocol::{
    AdminRoot, Frame, Head, Kind, Refusal, Slot, Suite,
    body::{AddMembers, Added, Body, Change, DoerMarks, Heal, Init, Marks, OwnChange, UpdateKey},
    head::RESERVED,
    limits::{MAX_CHANGES, MAX_DEPTH, MAX_FRAME, MAX_HEAD, MAX_MARKS, MAX_SEALED},
};

use crate::{
    fixtures::{self, key, point},
    protobuf::{self, Field, Value},
};

fn decode(body: &Body) -> Result<Body, Refusal> {
    Body::decode(body.kind(), &body.encode())
}

fn changes(count: usize, keys: usize) -> Vec<Change> {
    let keys = vec![point(1); keys];
    (0..count).map(|n| Change { slot: Slot::new(u32::try_from(n).unwrap()), keys: keys.clone() }).collect()
}

fn heal(own: bool, changes: Vec<Change>) -> Heal {
    let doer = Slot::new(9);
    let own = if own {
        let change = Change { slot: doer, keys: vec![point(1), point(2)] };
        OwnChange::Update(UpdateKey { change, new_sig: None })
    } else {
        OwnChange::None
    };
    Heal { doer, marks: None, own, changes }
}

fn added(count: usize, keys: usize) -> Body {
    let added = changes(count, keys)
        .into_iter()
        .map(|change| Added { change, sig: key(1), expires: protocol::UnixSeconds::new(u64::MAX) })
        .collect();
    Body::AddMembers(AddMembers { doer: Slot::new(u32::MAX), added })
}

fn slots(count: usize) -> Vec<Slot> {
    (0..count).map(|n| Slot::new(u32::try_from(n).unwrap())).collect()
}

#[test]
fn sixty_four_changes_are_the_most() {
    for (count, fits) in [(0, false), (1, true), (MAX_CHANGES, true), (MAX_CHANGES + 1, false)] {
        let outcome = |body: &Body| decode(body).map(|_| ());
        let expected = if fits { Ok(()) } else { Err(Refusal::WrongStructure) };
        assert_eq!(outcome(&added(count, 2)), expected, "{count} added");
        assert_eq!(outcome(&Body::Heal(heal(false, changes(count, 2)))), expected, "{count} healed");
    }
}

#[test]
fn the_own_change_of_a_heal_counts() {
    assert!(decode(&Body::Heal(heal(true, Vec::new()))).is_ok(), "it may be the only one");
    assert!(decode(&Body::Heal(heal(true, changes(MAX_CHANGES - 1, 2)))).is_ok());
    let outcome = decode(&Body::Heal(heal(true, changes(MAX_CHANGES, 2))));
    assert_eq!(outcome, Err(Refusal::WrongStructure));
}

#[test]
fn the_own_change_of_a_heal_is_of_the_doer() {
    for kind in [Kind::Heal, Kind::RemoveMembers] {
        let mut body = fixtures::body(kind);
        let (Body::Heal(heal) | Body::RemoveMembers(heal)) = &mut body else { panic!("a heal") };
        heal.doer = Slot::new(99);
        assert_eq!(decode(&body), Err(Refusal::WrongSlot), "{kind:?}");
    }
}

#[test]
fn a_heal_has_one_own_change() {
    let Value::Message(update) = Value::Message(protobuf::body(&fixtures::body(Kind::UpdateKey))) else {
        panic!("a message")
    };
    let rejoin = protobuf::body(&fixtures::body(Kind::Rejoin));
    let field = |number, value| Field { number, value, repeated: false };
    let both = [field(3, Value::Message(update)), field(4, Value::Message(rejoin))];
    assert_eq!(Body::decode(Kind::Heal, &protobuf::encode(&both)), Err(Refusal::WrongStructure));
}

#[test]
fn marks_are_in_remove_members_and_nowhere_else() {
    let Body::RemoveMembers(with) = fixtures::body(Kind::RemoveMembers) else { panic!("a removal") };
    let without = Heal { marks: None, ..with.clone() };
    assert_eq!(decode(&Body::Heal(with)), Err(Refusal::WrongStructure));
    assert_eq!(decode(&Body::RemoveMembers(without)), Err(Refusal::WrongStructure));
}

#[test]
fn sixty_four_marks_are_the_most() {
    for (count, fits) in [(0, false), (1, true), (MAX_MARKS, true), (MAX_MARKS + 1, false)] {
        let doer_marks = DoerMarks { doer: Slot::ZERO, slots: slots(count) };
        let marks = Marks { slots: slots(count), admin_root: None };
        let Body::RemoveMembers(removal) = fixtures::body(Kind::RemoveMembers) else { panic!("a removal") };
        for body in [
            Body::Expire(doer_marks.clone()),
            Body::MarkOwn(doer_marks),
            Body::MarkRemoved(marks.clone()),
            Body::RemoveMembers(Heal { marks: Some(marks), ..removal }),
        ] {
            let expected = if fits { Ok(()) } else { Err(Refusal::WrongStructure) };
            assert_eq!(decode(&body).map(|_| ()), expected, "{:?} of {count}", body.kind());
        }
    }
}

#[test]
fn an_admin_root_is_a_field_element() {
    // The scalar field of BN254, little-endian: the modulus itself and what is above it are nobody's root.
    let modulus: [u8; 32] = hex::decode("010000f093f5e1439170b97948e833285d588181b64550b829a031e1724e6430")
        .unwrap()
        .try_into()
        .unwrap();
    let mut largest = modulus;
    largest[0] = 0;
    for (root, fits) in [([0; 32], true), (largest, true), (modulus, false), ([0xff; 32], false)] {
        let root = AdminRoot::new(root);
        let Body::RemoveMembers(removal) = fixtures::body(Kind::RemoveMembers) else { panic!("a removal") };
        let marks = Marks { slots: slots(1), admin_root: Some(root) };
        for body in [
            Body::Init(Init { admin_root: root, ..fixtures::init() }),
            Body::SetAdmins(root),
            Body::MarkRemoved(marks.clone()),
            Body::RemoveMembers(Heal { marks: Some(marks), ..removal }),
        ] {
            let expected = if fits { Ok(()) } else { Err(Refusal::Malformed) };
            assert_eq!(decode(&body).map(|_| ()), expected, "{:?} with {root}", body.kind());
        }
    }
}

#[test]
fn marks_are_named_once_and_in_order() {
    for wrong in [vec![2, 1], vec![1, 1], vec![0, 5, 5, 9]] {
        let slots: Vec<Slot> = wrong.into_iter().map(Slot::new).collect();
        for body in [
            Body::MarkRemoved(Marks { slots: slots.clone(), admin_root: None }),
            Body::Expire(DoerMarks { doer: Slot::ZERO, slots: slots.clone() }),
        ] {
            assert_eq!(decode(&body), Err(Refusal::WrongStructure));
        }
    }
}

#[test]
fn a_branch_has_two_keys_to_those_of_the_deepest_tree() {
    let deepest = usize::try_from(MAX_DEPTH).unwrap() + 2;
    for (count, fits) in [(0, false), (1, false), (2, true), (deepest, true), (deepest + 1, false)] {
        let change = changes(1, count).remove(0);
        let outcome = decode(&Body::UpdateKey(UpdateKey { change, new_sig: None }));
        let expected = if fits { Ok(()) } else { Err(Refusal::WrongKeyCount) };
        assert_eq!(outcome.map(|_| ()), expected, "{count} keys");
    }
    let mut three = fixtures::init();
    three.keys.push(point(3));
    assert_eq!(
        decode(&Body::Init(three)),
        Err(Refusal::WrongKeyCount),
        "a group of one has no level between"
    );
}

#[test]
fn no_point_is_decoded_before_they_are_counted() {
    // None of these bytes is a point; with too many of them that is not even looked at.
    let bytes = vec![0xff; 32 * 27];
    let change = |bytes: &[u8]| {
        let change = [Field { number: 2, value: Value::Bytes(bytes.to_vec()), repeated: false }];
        let body = [Field { number: 1, value: Value::Message(change.to_vec()), repeated: false }];
        Body::decode(Kind::UpdateKey, &protobuf::encode(&body))
    };
    assert_eq!(change(&bytes), Err(Refusal::WrongKeyCount));
    assert_eq!(change(&bytes[..64]), Err(Refusal::BadTreeKey));
    assert_eq!(change(&bytes[..65]), Err(Refusal::WrongKeyCount));
}

#[test]
fn tree_keys_are_canonical_points_of_the_subgroup() {
    use ark_ec::AffineRepr as _;
    use curve::EdwardsAffine;
    let with = |key: [u8; 32]| {
        let mut fields = protobuf::body(&fixtures::body(Kind::Rejoin));
        fields[1].value = Value::Bytes(key.to_vec());
        Body::decode(Kind::Rejoin, &protobuf::encode(&fields)).map(|_| ())
    };
    assert_eq!(
        with(*Point::generator().as_bytes()),
        Ok(()),
        "which points are reserved is for the tree to say"
    );
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(with(identity), Err(Refusal::BadTreeKey));
    assert_eq!(with([0; 32]), Err(Refusal::BadTreeKey), "a point of order four");
    assert_eq!(with([0xff; 32]), Err(Refusal::BadTreeKey), "no field element");
    // A point of the subgroup plus one of order two is on the curve, and outside the subgroup.
    let order_two = EdwardsAffine::new_unchecked(curve::Fq::from(0), -curve::Fq::from(1));
    let outside = (EdwardsAffine::generator() + order_two).into();
    let outside: EdwardsAffine = outside;
    let mut bytes = [0; 32];
    ark_serialize::CanonicalSerialize::serialize_compressed(&outside, &mut bytes[..]).unwrap();
    assert_eq!(with(bytes), Err(Refusal::BadTreeKey));
}

#[test]
fn signature_keys_are_canonical_and_of_large_order() {
    let mut identity = [0; 32];
    identity[0] = 1;
    for kind in [
        Kind::Init,
        Kind::AddMembers,
        Kind::UpdateKey,
        Kind::IssueTicket,
        Kind::RevokeTicket,
        Kind::Join,
        Kind::TransferOwner,
    ] {
        let good = fixtures::body(kind);
        let bytes = good.encode();
        let mut tried = 0;
        for n in 1..=8 {
            let key = key(n);
            let Some(at) = bytes.windows(32).position(|window| window == key.as_bytes()) else { continue };
            let mut other = bytes.clone();
            other[at..at + 32].copy_from_slice(&identity);
            assert_eq!(Body::decode(kind, &other), Err(Refusal::BadSignatureKey), "{kind:?}");
            tried += 1;
        }
        assert!(tried > 0, "{kind:?}");
    }
}

#[test]
fn the_largest_frames_fit() {
    let keys = usize::try_from(MAX_DEPTH).unwrap() + 2;
    for body in [Body::Heal(heal(false, changes(MAX_CHANGES, keys))), added(MAX_CHANGES, keys)] {
        let head = fixtures::head_of(body);
        assert!(head.encode().len() <= MAX_HEAD);
        let mut frame = Frame::unsigned(head, vec![0xff; MAX_SEALED]);
        frame.auth = fixtures::full_auth();
        frame.proofs = vec![[0xff; 128]; MAX_CHANGES];
        let bytes = frame.encode().unwrap();
        assert!(bytes.len() <= MAX_FRAME);
        assert_eq!(Frame::decode(&bytes), Ok(frame));
    }
}

#[test]
fn sizes_are_checked_before_anything_is_decoded() {
    assert_eq!(Frame::decode(&vec![0xff; MAX_FRAME + 1]), Err(Refusal::TooLarge));
    assert_eq!(Frame::decode(&vec![0xff; MAX_FRAME]), Err(Refusal::Malformed));
    assert_eq!(Head::decode(&vec![0xff; MAX_HEAD + 1]), Err(Refusal::TooLarge));
    assert_eq!(Head::decode(&vec![0xff; MAX_HEAD]), Err(Refusal::Malformed));
    let sealed = |len| {
        let frame = Frame::unsigned(fixtures::head(Kind::Message), vec![1; len]);
        Frame::decode(&frame.encode().unwrap()).map(|_| ())
    };
    assert_eq!(sealed(MAX_SEALED), Ok(()));
    assert_eq!(sealed(MAX_SEALED + 1), Err(Refusal::TooLarge));
}

#[test]
fn a_frame_has_at_most_sixty_four_proofs() {
    let mut frame = fixtures::frame(Kind::Leave);
    frame.proofs = vec![[1; 128]; MAX_CHANGES];
    assert!(Frame::decode(&frame.encode().unwrap()).is_ok(), "how many a kind needs is for the fold to say");
    frame.proofs.push([1; 128]);
    assert_eq!(Frame::decode(&frame.encode().unwrap()), Err(Refusal::WrongStructure));
}

fn head_with(number: u32, value: u64) -> Result<Head, Refusal> {
    let mut head = protobuf::head(&fixtures::head(Kind::Close));
    head.iter_mut().find(|field| field.number == number).unwrap().value = Value::Uint(value);
    Head::decode(&protobuf::encode(&head))
}

#[test]
fn reserved_kinds_are_not_supported() {
    // Recovery, log checkpoints, leaf-signed messages, requests to join.
    let reserved = [17, 18, 33, 34];
    assert_eq!(RESERVED, reserved);
    for kind in reserved {
        assert_eq!(head_with(5, u64::from(kind)), Err(Refusal::NotSupported), "kind {kind}");
        assert_eq!(Kind::from_code(kind), Err(Refusal::NotSupported));
    }
}

#[test]
fn numbers_without_a_kind_are_malformed() {
    for code in 0..100 {
        let known = Kind::ALL.iter().any(|kind| kind.code() == code);
        if !known && !RESERVED.contains(&code) {
            assert_eq!(Kind::from_code(code), Err(Refusal::Malformed), "kind {code}");
        }
    }
    assert_eq!(head_with(5, u64::from(u32::MAX)), Err(Refusal::Malformed));
    // A number that is a kind's only when cut to 32 bits.
    assert_eq!(head_with(5, 1 << 32 | 19), Err(Refusal::Malformed));
}

#[test]
fn other_versions_and_suites_are_told_apart() {
    assert_eq!(head_with(1, 2), Err(Refusal::UnsupportedVersion));
    assert_eq!(head_with(2, 3), Err(Refusal::UnknownSuite));
    for suite in [Suite::Aes256Gcm, Suite::ChaCha20Poly1305] {
        assert_eq!(head_with(2, u64::from(suite.code())).map(|head| head.suite), Ok(suite));
    }
    assert_eq!(Head::decode(&[]), Err(Refusal::UnsupportedVersion));
}
