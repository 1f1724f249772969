//! What the owner does: policy, admins, succession, the end.

use protocol::{
    AdminRoot, ParamsHash, Refusal,
    body::{Body, Policy},
    limits::MAX_INVITE_TTL,
};

use crate::{
    scene::{A, B, C, I, clean},
    support::{Draft, Field, Group, create, init, policy},
};

fn policies() -> Vec<(&'static str, Policy, Result<(), Refusal>)> {
    let good = policy();
    let most = 1 << 19;
    vec![
        ("as it is", good, Ok(())),
        ("the most members", Policy { max_members: most, ..good }, Ok(())),
        ("more than slots", Policy { max_members: most + 1, ..good }, Err(Refusal::BadPolicy)),
        ("no members", Policy { max_members: 0, ..good }, Err(Refusal::BadPolicy)),
        ("the shortest invite", Policy { invite_ttl: 1, ..good }, Ok(())),
        ("no invite", Policy { invite_ttl: 0, ..good }, Err(Refusal::BadPolicy)),
        ("the longest invite", Policy { invite_ttl: MAX_INVITE_TTL, ..good }, Ok(())),
        ("a longer invite", Policy { invite_ttl: MAX_INVITE_TTL + 1, ..good }, Err(Refusal::BadPolicy)),
        ("kept for ever", Policy { message_retention: 0, operation_retention: 0, ..good }, Ok(())),
        ("other proofs", Policy { params: ParamsHash::new([1; 32]), ..good }, Err(Refusal::UnknownParams)),
    ]
}

#[test]
fn a_policy_has_its_bounds() {
    for (what, policy, expected) in policies() {
        let mut scene = clean();
        let set = scene.group.plain(Body::SetPolicy(policy));
        match expected {
            Ok(()) => {
                scene.group.accept(&set);
                assert_eq!(scene.group.state.policy(), &policy, "{what}");
            }
            Err(refusal) => scene.group.refuse(what, &set, refusal),
        }
        assert_eq!(create(&init(1, policy).0).map(|_| ()), expected, "{what}, founding");
    }
}

#[test]
fn a_policy_has_room_for_those_who_are_there() {
    let mut scene = clean();
    let live = scene.group.state.tree().live_count();
    assert_eq!(live, 4, "A, B, C and the invitee");
    let fewer = scene.group.plain(Body::SetPolicy(Policy { max_members: live - 1, ..policy() }));
    scene.group.refuse("one too few", &fewer, Refusal::BadPolicy);
    let just = scene.group.plain(Body::SetPolicy(Policy { max_members: live, ..policy() }));
    scene.group.accept(&just);
    let add = scene.group.add(A, 1);
    scene.group.refuse("full now", &add, Refusal::GroupFull);
}

#[test]
fn a_new_policy_binds_later_invites_only() {
    let mut scene = clean();
    let set = scene.group.plain(Body::SetPolicy(Policy { invite_ttl: 10, ..policy() }));
    scene.group.accept(&set);
    let add = scene.group.add(A, 1);
    scene.group.refuse("a day is too long now", &add, Refusal::BadExpiry);
    let joins = scene.group.update(I);
    scene.group.accept(&joins);
}

#[test]
fn new_admins_are_a_new_state() {
    let mut scene = clean();
    let root = AdminRoot::new([0x1e; 32]);
    let ctx = scene.group.state.ctx();
    let set = scene.group.plain(Body::SetAdmins(root));
    scene.group.accept(&set);
    assert_eq!(scene.group.state.admin_root(), root);
    assert_ne!(scene.group.state.ctx(), ctx);
}

#[test]
fn ownership_goes_over_when_both_sign() {
    let mut scene = clean();
    let old = scene.group.owner();
    let new = scene.group.fresh_signer();
    let transfer = scene.group.plain(Body::TransferOwner(new.verifying_key()));
    for field in [Field::Owner, Field::NewOwner] {
        let one = transfer.clone().without(field);
        scene.group.refuse(&format!("without {field:?}"), &one, Refusal::WrongStructure);
    }
    let by_old = transfer.clone().with(Field::NewOwner, old.clone());
    scene.group.refuse("the old one for both", &by_old, Refusal::BadSignature);
    let by_new = transfer.clone().with(Field::Owner, new.clone());
    scene.group.refuse("the new one for both", &by_new, Refusal::BadSignature);
    scene.group.accept(&transfer);
    assert_eq!(scene.group.state.owner(), new.verifying_key());

    let removal = scene.group.remove(A, &[C]);
    let by_old = removal.clone().with(Field::Owner, old);
    scene.group.refuse("the old owner has no say", &by_old, Refusal::BadSignature);
    scene.group.accept(&removal);
}

#[test]
fn the_owner_is_no_leaf() {
    let mut scene = clean();
    let owner = scene.group.state.owner();
    let removal = scene.group.remove(B, &[A]);
    scene.group.accept(&removal);
    assert_eq!(scene.group.state.owner(), owner, "the founder's leaf is gone, the owner is not");
    let set = scene.group.plain(Body::SetAdmins(AdminRoot::new([1; 32])));
    scene.group.accept(&set);
    let newcomer = scene.group.added(B);
    assert_eq!(newcomer, A, "a newcomer has the founder's slot");
    let set = scene.group.plain(Body::SetAdmins(AdminRoot::new([2; 32])));
    let by_newcomer = set.with(Field::Owner, scene.group.leaf_signer(A));
    scene.group.refuse("and none of its rights", &by_newcomer, Refusal::BadSignature);
}

#[test]
fn a_closed_group_takes_nothing() {
    let mut scene = clean();
    let ticket = scene.ticket;
    let message = scene.group.message();
    let drafts: Vec<Draft> = vec![
        message,
        scene.group.update(B),
        scene.group.leave(B),
        scene.group.join(ticket),
        scene.group.remove(A, &[B]),
        scene.group.plain(Body::Close),
    ];
    let close = scene.group.plain(Body::Close);
    let effects = scene.group.accept(&close);
    assert!(effects.closed && scene.group.state.is_closed());
    for draft in drafts {
        scene.group.refuse(&format!("{:?}", draft.kind()), &draft, Refusal::GroupClosed);
    }
    assert!(!scene.group.state.accepts_messages_of(scene.group.state.epoch()));
    let (state, at, id) = scene.group.author();
    let author = group_state::author::Author::new(&state, at, id, crate::support::max_capacity());
    assert_eq!(author.map(|_| ()).unwrap_err(), Refusal::GroupClosed);
}

#[test]
fn only_the_owner_decides() {
    for make in [
        |_: &mut Group| Body::SetPolicy(policy()),
        |_: &mut Group| Body::SetAdmins(AdminRoot::new([1; 32])),
        |group: &mut Group| Body::TransferOwner(group.fresh_key()),
        |_: &mut Group| Body::Close,
    ] {
        let mut scene = clean();
        let body = make(&mut scene.group);
        let draft = scene.group.plain(body);
        for at in [A, B, I] {
            let signer = scene.group.leaf_signer(at);
            let other = draft.clone().with(Field::Owner, signer);
            scene.group.refuse(&format!("{:?} by slot {at}", draft.kind()), &other, Refusal::BadSignature);
        }
    }
}
