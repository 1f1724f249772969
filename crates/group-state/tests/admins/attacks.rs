//! Acting as an admin without being one.

use chacha20::ChaCha20Rng;
use proofs::{AdminSecret, AdminStatement, Control, ProveError, prove_admin};
use protocol::{AdminRoot, Refusal, body::Body};
use rand_core::SeedableRng;

use crate::{
    Admins, accept, admin_key, by_admin, offer, scene,
    support::{Group, marks},
};

fn set(group: &mut Group, root: AdminRoot) {
    let set = group.plain(Body::SetAdmins(root));
    group.accept(&set);
}

#[test]
fn a_revoked_admin_is_none_from_the_next_frame_on() {
    let (mut group, admins) = scene(11);
    let early = admins.proven(1, &by_admin(&group, &group.clone().mark(&[3])));
    assert_eq!(offer(&group, &early), Ok(()));
    // The other one stays.
    let rest = Admins::of(vec![admins.secrets[0].clone()]);
    set(&mut group, rest.root());
    assert_eq!(offer(&group, &early), Err(Refusal::StaleEpoch), "what was on its way");
    let mark = by_admin(&group, &group.clone().mark(&[3]));
    assert_eq!(offer(&group, &admins.proven(1, &mark)), Err(Refusal::BadProof), "under the old root");
    assert_eq!(offer(&group, &admins.proven(0, &mark)), Err(Refusal::BadProof), "the wrong root for anybody");
    assert_eq!(offer(&group, &rest.proven(0, &mark)), Ok(()));
}

#[test]
fn with_no_admins_nobody_is_one() {
    let (mut group, admins) = scene(12);
    set(&mut group, AdminRoot::new([0; 32]));
    let mark = by_admin(&group, &group.clone().mark(&[3]));
    assert_eq!(offer(&group, &admins.proven(0, &mark)), Err(Refusal::BadProof));
    assert!(AdminStatement::new(mark.frame().unwrap().digest(&mark.ctx), AdminRoot::new([0; 32])).is_err());
}

#[test]
fn a_proof_is_of_one_frame() {
    let (group, admins) = scene(13);
    let one = admins.proven(0, &by_admin(&group, &group.clone().mark(&[3])));
    let other = by_admin(&group, &group.clone().mark(&[2, 3]));
    let mut replayed = other.frame().unwrap();
    replayed.auth.admin_proof = one.auth.admin_proof;
    assert_eq!(offer(&group, &replayed), Err(Refusal::BadProof), "other marks");
    let mut add = by_admin(&group, &group.clone().add(1, 1)).frame().unwrap();
    add.auth.admin_proof = one.auth.admin_proof;
    assert_eq!(offer(&group, &add), Err(Refusal::BadProof), "another kind");
    // The same frame with the proof taken over and re-signed by another member is the same frame.
    let mut later = group;
    later.now += 1;
    let again = by_admin(&later, &later.clone().mark(&[3]));
    let mut again = again.frame().unwrap();
    again.auth.admin_proof = one.auth.admin_proof;
    assert_eq!(offer(&later, &again), Err(Refusal::BadProof), "the same words at another time");
}

#[test]
fn a_proof_for_one_group_is_none_for_another() {
    let (mut group, admins) = scene(14);
    let (mut twin, _) = scene(15);
    set(&mut twin, admins.root());
    set(&mut group, admins.root());
    // The same admins, the same slots, in both: only D tells the groups apart.
    let ours = admins.proven(0, &by_admin(&group, &group.clone().mark(&[3])));
    let mut theirs = by_admin(&twin, &twin.clone().mark(&[3])).frame().unwrap();
    theirs.auth.admin_proof = ours.auth.admin_proof;
    assert_eq!(offer(&twin, &theirs), Err(Refusal::BadProof));
    assert_eq!(offer(&twin, &ours), Err(Refusal::NotAccepted), "nor the frame as it is");
}

#[test]
fn knowing_the_commitments_makes_nobody_an_admin() {
    let (group, admins) = scene(16);
    let mark = by_admin(&group, &group.clone().mark(&[3]));
    let digest = mark.frame().unwrap().digest(&mark.ctx);
    let statement = AdminStatement::new(digest, admins.root()).unwrap();
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let stranger = AdminSecret::generate(&mut rng);
    for position in 0..2 {
        let path = admins.tree.path(position).unwrap();
        let outcome = prove_admin(admin_key(), &statement, &stranger, &path, &Control::default(), &mut rng);
        assert_eq!(outcome.unwrap_err(), ProveError::SecretMismatch { position: 0 });
    }
    // An own tree leads to an own root, which is not the group's.
    let own = Admins::of(vec![stranger]);
    assert_eq!(offer(&group, &own.proven(0, &mark)), Err(Refusal::BadProof));
}

#[test]
fn a_branch_proof_is_no_admin_proof() {
    let (group, admins) = scene(17);
    let add = by_admin(&group, &group.clone().add(1, 1));
    let mut frame = admins.proven(0, &add);
    assert_eq!(offer(&group, &frame), Ok(()));
    let (branch, admin) = (frame.proofs[0], frame.auth.admin_proof.unwrap());
    frame.auth.admin_proof = Some(branch);
    assert_eq!(offer(&group, &frame), Err(Refusal::BadProof));
    frame.auth.admin_proof = Some(admin);
    frame.proofs[0] = admin;
    assert_eq!(offer(&group, &frame), Err(Refusal::BadProof));
    frame.auth.admin_proof = Some([0xff; 128]);
    assert_eq!(offer(&group, &frame), Err(Refusal::BadProof), "no points at all");
}

/// Said in the book: until somebody heals, the keys are those the marked know, and the root is as it was.
#[test]
fn a_marked_admin_marks_others_until_healed_and_no_longer() {
    let (mut group, admins) = scene(18);
    let first = admins.proven(0, &by_admin(&group, &group.clone().mark(&[2])));
    accept(&mut group, &first);
    assert_eq!(group.row(), "AADA");
    let marked = admins.proven(1, &by_admin(&group, &group.clone().mark(&[3])));
    assert_eq!(offer(&group, &marked), Ok(()), "still dirty");
    let close = group.raw(Body::Close);
    assert_eq!(offer(&group, &admins.proven(1, &close)), Err(Refusal::WrongStructure), "but nothing else");

    let known_to_the_marked = group.sign_secret();
    let heal = group.heal(0);
    group.accept(&heal);
    assert_eq!(group.row(), "AAVA");
    let mut mark = by_admin(&group, &group.clone().mark(&[3]));
    mark.sign = Some(known_to_the_marked);
    let outsider = admins.proven(1, &mark);
    // The root is the same and the proof holds, but whoever was healed away has no key of this epoch.
    assert_eq!(offer(&group, &outsider), Err(Refusal::BadSignature));
    assert!(!group.state.authenticates(&outsider));
    assert_eq!(group.state.admin_root(), admins.root());
}

#[test]
fn the_owner_takes_the_right_away_in_the_frame_that_removes() {
    let (mut group, admins) = scene(19);
    let rest = Admins::of(vec![admins.secrets[0].clone()]);
    let mut removal = marks(&[2]);
    removal.admin_root = Some(rest.root());
    let removal = group.heal_with(0, Some(removal), group_state::author::Own::Keep);
    group.accept(&removal);
    assert_eq!(group.state.admin_root(), rest.root());
    let mark = by_admin(&group, &group.clone().mark(&[3]));
    assert_eq!(offer(&group, &admins.proven(1, &mark)), Err(Refusal::BadProof));
    assert_eq!(offer(&group, &rest.proven(0, &mark)), Ok(()));
}

#[test]
fn of_two_admins_at_once_one_wins_and_the_other_builds_anew() {
    let (mut group, admins) = scene(20);
    let one = admins.proven(0, &by_admin(&group, &group.clone().mark(&[3])));
    let mut elsewhere = group.clone();
    elsewhere.rng = ChaCha20Rng::from_seed([7; 32]);
    let two = admins.proven(1, &by_admin(&group, &elsewhere.mark(&[2])));
    assert!(offer(&group, &one).is_ok() && offer(&group, &two).is_ok());
    accept(&mut group, &one);
    assert_eq!(offer(&group, &two), Err(Refusal::StaleEpoch));
    let again = admins.proven(1, &by_admin(&group, &group.clone().mark(&[2])));
    accept(&mut group, &again);
    assert_eq!(group.row(), "AADD");
    let heal = group.heal(1);
    group.accept(&heal);
    assert_eq!(group.row(), "AAV-");
}
