//! An admin's proof stands in the place of the owner's signature, and nowhere else.

use protocol::{Kind, Refusal, body::Body};

use crate::{
    accept, by_admin, offer, scene,
    support::{Draft, FIELDS, Field, Group, keys, marks},
};

/// One frame of each kind an admin may send, on the same state.
fn frames(group: &mut Group) -> Vec<Draft> {
    let (issue, ticket) = group.issue(0);
    let mut other = group.clone();
    other.accept(&issue);
    let revoke = other.revoke(2, ticket);
    // The revocation is of the state after the issue; the others are of this one.
    group.state = other.state.clone();
    let (issue, _) = group.issue(1);
    let drafts = [group.add(1, 1), group.remove(1, &[3]), issue, revoke, group.mark(&[3])];
    assert_eq!(
        drafts.iter().map(Draft::kind).collect::<Vec<_>>(),
        [Kind::AddMembers, Kind::RemoveMembers, Kind::IssueTicket, Kind::RevokeTicket, Kind::MarkRemoved]
    );
    drafts.iter().map(|draft| by_admin(group, draft)).collect()
}

#[test]
fn an_admin_adds_removes_invites_and_marks() {
    let (mut group, admins) = scene(1);
    for (n, draft) in frames(&mut group).iter().enumerate() {
        let frame = admins.proven(n % 2, draft);
        let proposed = group.state.apply(&frame, keys()).unwrap();
        assert_eq!(proposed.proof_count(), frame.proofs.len() + 1, "{:?}", draft.kind());
        assert!(proposed.verify(keys()).is_ok(), "{:?}", draft.kind());
    }
}

#[test]
fn a_mark_by_an_admin_shows_the_epochs_key_and_the_proof_alone() {
    let (mut group, admins) = scene(2);
    let mark = by_admin(&group, &group.clone().mark(&[3]));
    let whole = admins.half_proven(0, &mark);
    assert_eq!(offer(&group, &whole), Ok(()));
    assert_eq!(whole.head().body.doer(), None);
    let auth = &whole.auth;
    assert!(auth.leaf.is_none() && auth.owner.is_none() && auth.new_leaf.is_none());
    assert!(whole.sealed_is_empty() && whole.proofs.is_empty());
    // Neither half alone, and nobody's signature besides.
    let mut half = whole.clone();
    half.auth.sign = None;
    assert_eq!(offer(&group, &half), Err(Refusal::WrongStructure));
    let mut half = whole.clone();
    half.auth.admin_proof = None;
    assert_eq!(offer(&group, &half), Err(Refusal::WrongStructure));
    for field in FIELDS.into_iter().filter(|field| field.role().is_some()) {
        let signed = mark.clone().with(field, group.leaf_signer(1));
        assert_eq!(offer(&group, &admins.half_proven(0, &signed)), Err(Refusal::WrongStructure), "{field:?}");
    }
    let mut other = mark;
    other.sign = Some(group.fresh_secret());
    assert_eq!(offer(&group, &admins.half_proven(0, &other)), Err(Refusal::BadSignature));
    let removed = accept(&mut group, &whole).removed;
    assert_eq!((removed.len(), removed[0].slot.get()), (1, 3));
    // Whoever is active heals.
    let heal = group.heal(1);
    group.accept(&heal);
    assert_eq!(group.row(), "AAAV");
}

#[test]
fn owner_and_admin_at_once_are_nobody() {
    let (mut group, admins) = scene(3);
    for draft in frames(&mut group) {
        let both = draft.with(Field::Owner, group.owner());
        assert_eq!(offer(&group, &admins.half_proven(0, &both)), Err(Refusal::WrongStructure));
    }
}

#[test]
fn frames_that_choose_a_secret_name_their_doer() {
    let (mut group, admins) = scene(4);
    for draft in frames(&mut group).into_iter().filter(|draft| draft.kind() != Kind::MarkRemoved) {
        let unnamed = draft.clone().without(Field::Leaf);
        assert_eq!(offer(&group, &admins.half_proven(0, &unnamed)), Err(Refusal::WrongStructure));
        let other = draft.clone().with(Field::Leaf, group.leaf_signer(3));
        assert_eq!(
            offer(&group, &admins.half_proven(0, &other)),
            Err(Refusal::BadSignature),
            "{:?}",
            draft.kind()
        );
    }
}

#[test]
fn what_is_the_owners_stays_the_owners() {
    let (mut group, admins) = scene(5);
    let key = group.fresh_key();
    let policy = *group.state.policy();
    let mut drafts: Vec<Draft> =
        [Body::SetPolicy(policy), Body::SetAdmins(admins.root()), Body::TransferOwner(key), Body::Close]
            .into_iter()
            .map(|body| group.plain(body).without(Field::Owner))
            .collect();
    // A removal that names the next admins.
    let mut with_root = marks(&[3]);
    with_root.admin_root = Some(admins.root());
    let mark = group.plain(Body::MarkRemoved(with_root.clone()));
    drafts.push(by_admin(&group, &mark));
    let removal = group.heal_with(1, Some(with_root), group_state::author::Own::Keep);
    drafts.push(by_admin(&group, &removal));
    // What needs nobody's leave.
    drafts.extend([group.update(1), group.leave(1), group.rejoin(1)]);
    for draft in drafts {
        let frame = admins.half_proven(0, &draft);
        assert_eq!(offer(&group, &frame), Err(Refusal::WrongStructure), "{:?}", draft.kind());
    }
}

#[test]
fn the_issuer_of_a_ticket_needs_no_proof_to_close_it() {
    let (mut group, admins) = scene(6);
    let (issue, ticket) = group.issue(1);
    let issue = admins.proven(0, &by_admin(&group, &issue));
    accept(&mut group, &issue);
    let revoke = group.revoke(1, ticket);
    assert!(!revoke.has(Field::Owner));
    assert_eq!(offer(&group, &admins.proven(0, &revoke)), Err(Refusal::WrongStructure));
    assert_eq!(offer(&group, &revoke.frame().unwrap()), Ok(()));
}

#[test]
fn a_node_looks_at_a_mark_of_whoever_knows_the_epochs_key() {
    let (mut group, admins) = scene(7);
    let mark = by_admin(&group, &group.clone().mark(&[3]));
    let frame = admins.proven(0, &mark);
    assert!(group.state.authenticates(&frame));
    let mut stranger = mark;
    stranger.sign = Some(group.fresh_secret());
    assert!(!group.state.authenticates(&admins.proven(0, &stranger)), "a proof is no cheap check");
    // Built on an epoch that has passed: its author may know that it is stale.
    let update = group.update(1);
    group.accept(&update);
    assert!(group.state.authenticates(&frame));
    assert_eq!(offer(&group, &frame), Err(Refusal::StaleEpoch));
    // The signature of another kind of operation is worth nothing.
    let mut close = group.plain(Body::Close).without(Field::Owner);
    close.sign = Some(group.sign_secret());
    assert!(!group.state.authenticates(&close.frame().unwrap()));
}
