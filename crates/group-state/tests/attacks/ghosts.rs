//! Staying after one's removal, alone or with others.

use std::collections::HashSet;

use curve::{Point, TreeSecret};
use group_state::author::Own;
use protocol::{Refusal, body::Body};
use ratchet_tree::{Leaf, PathSecrets, Tree};

use crate::support::{Field, Group, keys, marks, slot};

/// Everything a coalition can work out in a tree from the leaf secrets and old node secrets it has: from a child it
/// knows and the sibling's public key, level by level.
struct Coalition {
    secrets: Vec<TreeSecret>,
}

impl Coalition {
    /// Whether the coalition can compute the root or signing secret of a tree.
    fn follows(&self, tree: &Tree) -> bool {
        let mut known: HashSet<Point> = self.secrets.iter().map(TreeSecret::public).collect();
        let mut secrets: Vec<TreeSecret> = self.secrets.clone();
        for (at, _) in tree.leaves() {
            for level in tree.path(at).unwrap() {
                // The node at this level has the sibling named; who knows its other child can derive it.
                let derived: Vec<TreeSecret> = secrets
                    .iter()
                    .map(|secret| secret.dh(&level.sibling).derive())
                    .filter(|secret| secret.public() == level.key)
                    .collect();
                for secret in derived {
                    if known.insert(secret.public()) {
                        secrets.push(secret);
                    }
                }
            }
        }
        known.contains(&tree.root_key()) || known.contains(&tree.sign_key())
    }

    fn of(secrets: impl IntoIterator<Item = TreeSecret>) -> Self {
        Self { secrets: secrets.into_iter().collect() }
    }
}

/// All secrets a member has on its path.
fn path_secrets(group: &Group, at: u32) -> Vec<TreeSecret> {
    let path: PathSecrets = group.path(at);
    vec![path.leaf().clone(), path.root().clone(), path.sign().clone()]
}

/// `AAAA`, each by its own first update.
fn four(seed: u64) -> Group {
    let mut group = Group::found(seed);
    for _ in 0..3 {
        group.added(0);
    }
    assert_eq!(group.row(), "AAAA");
    group
}

#[test]
fn the_coalition_of_members_follows_their_own_group() {
    // The measure itself: whoever is in, follows.
    let group = four(1);
    for at in 0..4 {
        let dh = group.live(at).dh;
        assert!(Coalition::of([group.tree_secret(&dh)]).follows(group.state.tree()), "slot {at}");
    }
    assert!(
        !Coalition::of([TreeSecret::from_bytes(&[1; 32].map(|b| b & 1)).unwrap()])
            .follows(group.state.tree())
    );
}

#[test]
fn a_leaver_cannot_stay_as_a_ghost() {
    let mut group = four(2);
    let leaver = 3;
    let signer = group.leaf_signer(leaver);
    let kept = path_secrets(&group, leaver);
    let leave = group.leave(leaver);
    group.accept(&leave);

    // It would like to heal its own leaf with a secret it keeps, in its own or in another's name.
    let secret = group.fresh_secret();
    let (state, at, id) = group.author();
    let author = || group_state::author::Author::new(&state, at, id, crate::support::max_capacity()).unwrap();
    let by_another = author().heal(slot(0), None, Own::Keep, || secret.clone()).unwrap();
    let blamed = group.signed(by_another.head).with(Field::Leaf, signer.clone());
    group.refuse("in another's name", &blamed, Refusal::BadSignature);
    let Body::Heal(mut body) = blamed.head.body.clone() else { panic!("a heal") };
    body.doer = slot(leaver);
    let own = group.raw(Body::Heal(body)).with(Field::Leaf, signer);
    group.refuse("in its own name", &own, Refusal::NotActive);
    // The key everybody shares authorises messages and nothing else.
    let mut shared = blamed.without(Field::Leaf);
    shared.sign = Some(kept[2].clone());
    group.refuse("with the shared key", &shared, Refusal::WrongStructure);

    let heal = group.heal(1);
    group.accept(&heal);
    assert!(!Coalition::of(kept).follows(group.state.tree()));
}

#[test]
fn who_healed_a_leaf_loses_it_when_removed() {
    let mut group = four(3);
    let mut removal = group.remove(1, &[3]);
    let chosen = removal.witnesses.iter().map(|w| w.secret.clone()).collect::<Vec<_>>();
    assert_eq!(removal.changes().len(), 1);
    group.accept(&removal);
    assert_eq!(group.leaf(3).keyed_by(), Some(group.leaf_id(1)));
    assert!(Coalition::of(chosen.clone()).follows(group.state.tree()), "it does know that leaf");
    let mut kept = path_secrets(&group, 1);
    kept.extend(chosen);
    let removal = group.remove(0, &[1]);
    group.accept(&removal);
    assert!(!Coalition::of(kept).follows(group.state.tree()));
}

#[test]
fn who_invited_a_leaf_loses_it_when_removed() {
    let mut group = four(4);
    let add = group.add(1, 2);
    let chosen: Vec<_> = add.witnesses.iter().map(|w| w.secret.clone()).collect();
    group.accept(&add);
    assert!(Coalition::of(chosen.clone()).follows(group.state.tree()), "until the invitee joins");
    let first = group.update(4);
    group.accept(&first);
    let mut kept = path_secrets(&group, 1);
    kept.extend(chosen);
    let removal = group.remove(0, &[1]);
    let effects = group.accept(&removal);
    assert_eq!(effects.removed.iter().filter(|r| !r.was_active).count(), 1, "the other invite went along");
    assert!(group.live(4).is_active(), "who joined is not the inviter's");
    assert!(!Coalition::of(kept).follows(group.state.tree()));
}

#[test]
fn the_inviter_knows_nothing_once_the_invitee_joined() {
    let mut group = four(5);
    let add = group.add(1, 1);
    let chosen = add.secret(0);
    group.accept(&add);
    let first = group.update(4);
    group.accept(&first);
    assert!(!Coalition::of([chosen]).follows(group.state.tree()));
}

#[test]
fn two_removed_at_once_do_not_stay_together() {
    let mut group = Group::found(6);
    for _ in 0..7 {
        group.added(0);
    }
    let kept: Vec<_> = [1, 2, 5].into_iter().flat_map(|at| path_secrets(&group, at)).collect();
    let removal = group.remove(3, &[1, 2, 5]);
    group.accept(&removal);
    assert!(!Coalition::of(kept).follows(group.state.tree()));
}

#[test]
fn two_removals_are_never_merged() {
    // Merged by adding keys, each removed one could work out the other's half.
    let mut group = four(7);
    let kept: Vec<_> = [0, 2].into_iter().flat_map(|at| path_secrets(&group, at)).collect();
    let first = group.remove(3, &[0]);
    let second = group.remove(1, &[2]);
    group.accept(&first);
    group.refuse("on the same base", &second, Refusal::StaleEpoch);
    let second = group.remove(1, &[2]);
    group.accept(&second);
    assert!(!Coalition::of(kept).follows(group.state.tree()));
}

#[test]
fn a_removed_member_cannot_come_back_through_its_helper() {
    // X keys Y's leaf and Y keys X's: whoever goes takes along what it keyed, so no circle is left over.
    let mut group = four(8);
    let removal = group.remove(1, &[2]);
    let chosen_by_1: Vec<_> = removal.witnesses.iter().map(|w| w.secret.clone()).collect();
    group.accept(&removal);
    let add = group.add(3, 1);
    assert_eq!(add.clone().changes()[0].slot, slot(2), "the vacant leaf is taken over");
    let chosen_by_3: Vec<_> = add.witnesses.iter().map(|w| w.secret.clone()).collect();
    group.accept(&add);
    let kept = [path_secrets(&group, 1), path_secrets(&group, 3), chosen_by_1, chosen_by_3].concat();
    let removal = group.remove(0, &[1, 3]);
    group.accept(&removal);
    assert_eq!(group.row().replace(['V', '-'], ""), "A");
    assert!(!Coalition::of(kept).follows(group.state.tree()));
}

#[test]
fn while_a_marked_member_knows_the_root_nothing_is_said() {
    let mut group = four(9);
    let kept = path_secrets(&group, 3);
    let before = group.message();
    let mark = group.mark(&[3]);
    group.accept(&mark);
    assert!(Coalition::of(kept.clone()).follows(group.state.tree()), "its keys are still in the tree");
    let message = group.message();
    group.refuse("a message", &message, Refusal::HealFirst);
    group.refuse("an older message", &before, Refusal::HealFirst);
    let invite = group.add(0, 1);
    group.refuse("an invite", &invite, Refusal::HealFirst);
    let update = group.update(0);
    group.refuse("an update", &update, Refusal::HealFirst);
    let heal = group.heal(2);
    group.accept(&heal);
    assert!(!Coalition::of(kept).follows(group.state.tree()));
}

#[test]
fn a_partial_heal_says_nothing_to_those_still_in_the_tree() {
    let mut group = Group::found(10);
    for _ in 0..7 {
        group.added(0);
    }
    let kept: Vec<_> = [2, 5].into_iter().flat_map(|at| path_secrets(&group, at)).collect();
    let mut partial = group.heal_some(0, Some(marks(&[2, 5])), Own::Keep, 1);
    group.accept(&partial);
    assert!(Coalition::of(kept.clone()).follows(group.state.tree()));
    partial.sealed = vec![1];
    let heal = group.heal(1);
    group.accept(&heal);
    assert!(!Coalition::of(kept).follows(group.state.tree()));
}

#[test]
fn a_stolen_leaf_secret_is_worth_nothing_after_an_update() {
    let mut group = four(11);
    let stolen = path_secrets(&group, 2);
    assert!(Coalition::of(stolen.clone()).follows(group.state.tree()));
    let update = group.update(2);
    group.accept(&update);
    assert!(!Coalition::of(stolen).follows(group.state.tree()));
}

#[test]
fn a_suspicious_member_gives_up_what_it_keyed() {
    // Stolen with the leaf: the secrets of the invites and vacant leaves it had not erased.
    let mut group = four(12);
    let removal = group.remove(1, &[2]);
    let mut stolen: Vec<_> = removal.witnesses.iter().map(|w| w.secret.clone()).collect();
    group.accept(&removal);
    let add = group.add(1, 2);
    stolen.extend(add.witnesses.iter().map(|w| w.secret.clone()));
    group.accept(&add);
    stolen.extend(path_secrets(&group, 1));
    let keyed: Vec<u32> = group.state.tree().keyed_by(group.leaf_id(1)).map(|slot| slot.get()).collect();
    let mark = group.mark_own(1, &keyed);
    group.accept(&mark);
    let own = group.own_update();
    let heal = group.heal_with(1, None, own);
    group.accept(&heal);
    assert!(group.state.is_clean());
    assert!(!Coalition::of(stolen).follows(group.state.tree()));
}

#[test]
fn no_frame_says_who_keyed_a_leaf() {
    // Two heals that differ in their doer alone lead to trees that differ in nothing but that.
    let mut group = four(13);
    let mark = group.mark(&[3]);
    group.accept(&mark);
    for doer in [0, 1, 2] {
        let heal = group.heal(doer);
        let healed = group.state.apply(&heal.frame().unwrap(), keys()).unwrap().without_proofs().state;
        let Leaf::Vacant { keyed_by, .. } = healed.tree().leaf(slot(3)) else {
            panic!("{}", group.row());
        };
        assert_eq!(*keyed_by, group.leaf_id(doer));
    }
}
