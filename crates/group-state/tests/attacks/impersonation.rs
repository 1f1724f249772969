//! Acting as somebody else.

use protocol::{
    Refusal, Slot,
    body::{AddMembers, Body, Heal, IssueTicket, OwnChange},
};

use crate::support::{DAY, Draft, Field, Group, slot};

fn group(seed: u64) -> Group {
    let mut group = Group::found(seed);
    for _ in 0..3 {
        group.added(0);
    }
    group
}

#[test]
fn an_inviter_cannot_make_the_invitees_first_update() {
    // It knows the leaf's tree secret, and the owner may even help: what it lacks is the one-time key.
    let mut group = group(1);
    let add = group.add(1, 1);
    let (at, _) = group.accept(&add).added[0];
    let first = group.update(at.get());
    for signer in [group.leaf_signer(1), group.owner()] {
        group.refuse(
            "instead of the invitee",
            &first.clone().with(Field::Leaf, signer),
            Refusal::BadSignature,
        );
    }
    let rotated = group.rotate(at.get());
    let signer = group.leaf_signer(1);
    group.refuse("with a key of its own", &rotated.with(Field::Leaf, signer), Refusal::BadSignature);
    let effects = group.accept(&first);
    assert!(effects.joined.is_some());
}

#[test]
fn a_stolen_tree_secret_does_not_take_a_leaf_over() {
    // Every proof for the leaf can be made with it; the signature cannot.
    let mut group = group(2);
    let thief = group.fresh_signer();
    for draft in [group.update(2), group.rotate(2), group.rejoin(2), group.leave(2)] {
        let what = format!("{:?}", draft.kind());
        group.refuse(&what, &draft.with(Field::Leaf, thief.clone()), Refusal::BadSignature);
    }
}

#[test]
fn an_admin_cannot_blame_another_for_the_leaf_it_keys() {
    let mut group = group(3);
    let x = group.leaf_signer(1);
    let blamed: Vec<Draft> = vec![group.add(2, 1), group.remove(2, &[3]), group.issue(2).0];
    for draft in blamed {
        let what = format!("{:?} in the name of slot 2", draft.kind());
        group.refuse(&what, &draft.with(Field::Leaf, x.clone()), Refusal::BadSignature);
    }
}

#[test]
fn the_owner_alone_chooses_no_leafs_secret() {
    // A frame that does names a leaf that answers for it and goes with it.
    let mut group = group(4);
    let owner = group.owner();
    for draft in [group.add(2, 1), group.remove(2, &[3])] {
        let what = format!("{:?}", draft.kind());
        group.refuse(&what, &draft.clone().without(Field::Leaf), Refusal::WrongStructure);
        group.refuse(&what, &draft.with(Field::Leaf, owner.clone()), Refusal::BadSignature);
    }
}

#[test]
fn the_shared_key_authorises_no_operation() {
    let mut group = group(5);
    let shared = group.sign_secret();
    let drafts = vec![
        group.update(1),
        group.leave(1),
        group.mark(&[1]),
        group.remove(0, &[1]),
        group.plain(Body::Close),
    ];
    for draft in drafts {
        let mut other = draft.clone();
        other.signers.clear();
        other.sign = Some(shared.clone());
        let what = format!("{:?}", draft.kind());
        group.refuse(&what, &other, Refusal::WrongStructure);
        assert!(!group.state.authenticates(&other.frame().unwrap()), "{what}");
        let mut more = draft;
        more.sign = Some(shared.clone());
        group.refuse(&what, &more, Refusal::WrongStructure);
    }
}

#[test]
fn a_members_signature_is_not_moved_to_another_frame() {
    let mut group = group(6);
    let signed = group.update(1).frame().unwrap();
    let other = group.update(1);
    let mut forged = other.frame().unwrap();
    forged.auth = signed.auth;
    let outcome = group.state.apply(&forged, crate::support::keys()).map(|_| ());
    assert_eq!(outcome, Err(Refusal::BadSignature));
    assert!(!group.state.authenticates(&forged));
}

#[test]
fn a_signature_in_one_role_is_not_used_in_another() {
    // The owner's own leaf could sign with one key for both; even then each role signs its own message.
    let mut group = group(7);
    let removal = group.remove(0, &[1]);
    let frame = removal.frame().unwrap();
    for (leaf, owner) in [(frame.auth.owner, frame.auth.owner), (frame.auth.leaf, frame.auth.leaf)] {
        let mut forged = frame.clone();
        forged.auth.leaf = leaf;
        forged.auth.owner = owner;
        let outcome = group.state.apply(&forged, crate::support::keys()).map(|_| ());
        assert_eq!(outcome, Err(Refusal::BadSignature));
    }
}

#[test]
fn nobody_leaves_for_another() {
    let mut group = group(8);
    let leave = group.leave(2);
    for signer in [group.leaf_signer(1), group.owner()] {
        group.refuse("made to leave", &leave.clone().with(Field::Leaf, signer), Refusal::BadSignature);
    }
}

#[test]
fn a_frame_does_not_change_its_kind() {
    // The kind is under every signature: what was signed as a heal is no removal, whatever else is the same.
    let mut group = group(9);
    let mark = group.mark(&[3]);
    group.accept(&mark);
    let heal = group.heal(1);
    let Body::Heal(body) = heal.head.body.clone() else { panic!("a heal") };
    let removal = Body::RemoveMembers(Heal { marks: Some(crate::support::marks(&[0])), ..body });
    let mut forged = heal;
    forged.head.body = removal;
    group.refuse("without the owner", &forged.without(Field::Owner), Refusal::WrongStructure);
    let expire = group.raw(Body::Expire(protocol::body::DoerMarks { doer: slot(1), slots: vec![slot(3)] }));
    let mut as_own = expire.clone();
    let Body::Expire(body) = expire.head.body.clone() else { panic!("an expiry") };
    as_own.head.body = Body::MarkOwn(body);
    let mut frame = as_own.frame().unwrap();
    frame.auth = expire.frame().unwrap().auth;
    let outcome = group.state.apply(&frame, crate::support::keys()).map(|_| ());
    assert_eq!(outcome, Err(Refusal::BadSignature));
}

#[test]
fn one_doer_does_not_sign_for_two() {
    let mut group = group(10);
    let issue = group.issue(1).0;
    let Body::IssueTicket(body) = issue.head.body else { panic!("a ticket") };
    let other = Body::IssueTicket(IssueTicket { doer: slot(2), ..body });
    let mut forged = issue;
    forged.head.body = other;
    group.refuse("named otherwise", &forged, Refusal::BadSignature);
}

#[test]
fn an_own_change_is_of_the_doers_own_leaf() {
    // A heal that "updates" somebody else's leaf would give its author a second one.
    let mut group = group(11);
    let mark = group.mark(&[3]);
    group.accept(&mark);
    let own = group.own_update();
    let mut heal = group.heal_with(2, None, own);
    let Body::Heal(body) = heal.body() else { panic!("a heal") };
    body.doer = slot(1);
    assert!(matches!(body.own, OwnChange::Update(_)));
    let draft = heal.with(Field::Leaf, group.leaf_signer(1));
    group.refuse("another's leaf", &draft, Refusal::WrongSlot);
}

#[test]
fn a_member_adds_itself_no_second_leaf_without_a_capability() {
    let mut group = group(12);
    let add = group.add(1, 1);
    let signer = group.leaf_signer(1);
    group.refuse("as its own owner", &add.clone().with(Field::Owner, signer), Refusal::BadSignature);
    group.refuse("without one", &add.without(Field::Owner), Refusal::WrongStructure);
    let expires = group.expires(DAY);
    let body = AddMembers {
        doer: Slot::new(1),
        added: vec![protocol::body::Added {
            change: protocol::body::Change { slot: slot(4), keys: vec![group.fresh_secret().public(); 3] },
            sig: group.leaf_signer(1).verifying_key(),
            expires,
        }],
    };
    let draft = group.raw(Body::AddMembers(body));
    let outcome = group.offer(&draft).map(|_| ());
    assert_eq!(outcome, Err(Refusal::DuplicateSignatureKey), "its own key twice");
}
