//! Rights that follow from nothing but the right key.

use protocol::{AdminRoot, Refusal, body::Body};

use crate::support::{Field, Group};

#[test]
fn a_place_in_the_tree_gives_no_rights() {
    // Not the leftmost leaf, not the founder's, not the one that replaced it.
    let mut group = Group::found(1);
    for _ in 0..3 {
        group.added(0);
    }
    let owner = group.owner();
    let removal = group.remove(1, &[0]);
    group.accept(&removal);
    let newcomer = group.added(1);
    assert_eq!(newcomer, 0, "the leftmost leaf is a newcomer's");
    let close = group.plain(Body::Close);
    for at in 0..4 {
        let other = close.clone().with(Field::Owner, group.leaf_signer(at));
        group.refuse(&format!("slot {at}"), &other, Refusal::BadSignature);
    }
    assert_eq!(group.owner().verifying_key(), owner.verifying_key());
    group.accept(&close);
}

#[test]
fn ownership_goes_to_nobody_by_mistake() {
    // A mistyped key would end the group, so the new owner has to show that it has it.
    let mut group = Group::found(2);
    let new = group.fresh_key();
    let transfer = group.plain(Body::TransferOwner(new));
    group.refuse("unshown", &transfer.clone().without(Field::NewOwner), Refusal::WrongStructure);
    let owner = group.owner();
    group.refuse("shown by another", &transfer.with(Field::NewOwner, owner), Refusal::BadSignature);
}

#[test]
fn one_pseudonym_is_one_leaf() {
    let mut group = Group::found(3);
    let member = group.added(0);
    let add = group.add(0, 1);
    let (invitee, _) = group.accept(&add).added[0];
    let taken = group.leaf_signer(invitee.get());
    let mut rotate = group.rotate(member).with(Field::NewLeaf, taken.clone());
    let Body::UpdateKey(body) = rotate.body() else { panic!("an update") };
    body.new_sig = Some(taken.verifying_key());
    group.refuse("the invitee's", &rotate, Refusal::DuplicateSignatureKey);
}

#[test]
fn copying_a_public_key_gives_no_leaf() {
    // Whoever copies a neighbour's key proves nothing by it, and is refused before that.
    let mut group = Group::found(4);
    let member = group.added(0);
    let victim = group.live(0).dh;
    let mut update = group.update(member);
    update.changes()[0].keys[0] = victim;
    group.refuse("copied", &update, Refusal::DuplicateTreeKey);
}

#[test]
fn without_admins_no_admin_proof_is_looked_at() {
    let mut group = Group::found(5);
    group.added(0);
    let mut mark = group.mark(&[1]);
    mark.admin_proof = true;
    group.refuse("beside the owner", &mark, Refusal::WrongStructure);
    let mut mark = mark.without(Field::Owner);
    mark.sign = Some(group.sign_secret());
    group.refuse("instead of the owner", &mark, Refusal::BadProof);
    let set = group.plain(Body::SetAdmins(AdminRoot::new([1; 32])));
    group.accept(&set);
}
