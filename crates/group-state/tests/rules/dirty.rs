//! While a leaf is dirty.

use group_state::author::Own;
use protocol::{Kind, Refusal};

use crate::{
    scene::{self, A, B, C, V, dirty, draft},
    support::{DAY, marks},
};

fn allowed(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Leave
            | Kind::MarkRemoved
            | Kind::Expire
            | Kind::MarkOwn
            | Kind::Heal
            | Kind::RemoveMembers
            | Kind::SetAdmins
            | Kind::Close
    )
}

#[test]
fn only_marks_heals_admins_and_closing_are_accepted() {
    for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Init) {
        let mut scene = dirty();
        let draft =
            if kind == Kind::RemoveMembers { scene.group.remove(A, &[B]) } else { draft(&mut scene, kind) };
        if allowed(kind) {
            scene.group.accept(&draft);
        } else {
            scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::HealFirst);
        }
    }
}

#[test]
fn a_frame_that_leaves_a_leaf_dirty_seals_nothing() {
    for kind in [Kind::Leave, Kind::MarkRemoved, Kind::Expire, Kind::MarkOwn, Kind::SetAdmins, Kind::Close] {
        let mut scene = dirty();
        let mut draft = draft(&mut scene, kind);
        assert!(draft.sealed.is_empty(), "{kind:?}");
        draft.sealed.push(1);
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::WrongStructure);
    }
}

#[test]
fn a_mark_seals_nothing_even_if_all_was_clean() {
    for kind in [Kind::Leave, Kind::MarkRemoved, Kind::Expire, Kind::MarkOwn] {
        let mut scene = scene::clean();
        let mut draft = draft(&mut scene, kind);
        draft.sealed.push(1);
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::WrongStructure);
    }
}

#[test]
fn a_partial_heal_seals_only_with_a_fresh_own_leaf() {
    let mut scene = two_runs();
    let mut partial = scene.group.heal_some(A, None, Own::Keep, 1);
    partial.sealed = vec![1; 32];
    scene.group.refuse("nobody could read it safely", &partial, Refusal::WrongStructure);
    partial.sealed.clear();
    assert!(scene.group.offer(&partial).is_ok());
    for own in [scene.group.own_update(), scene.group.own_rejoin()] {
        let partial = scene.group.heal_some(A, None, own, 1);
        assert!(!partial.sealed.is_empty());
        let accepted = scene.group.offer(&partial).unwrap();
        assert!(!accepted.state.is_clean());
    }
    let mut partial = scene.group.heal_some(A, Some(marks(&[B])), Own::Keep, 1);
    assert!(scene.group.offer(&partial).is_ok());
    partial.sealed = vec![1; 32];
    scene.group.refuse("a removal that is not completed", &partial, Refusal::WrongStructure);
}

/// Two dirty leaves that no single change takes out.
fn two_runs() -> scene::Scene {
    let mut scene = scene::clean();
    for _ in 0..4 {
        scene.group.joined(A);
    }
    let mark = scene.group.mark(&[C, 6]);
    scene.group.accept(&mark);
    assert_eq!(scene.group.row(), "AADIAADA");
    assert_eq!(V, 4);
    scene
}

#[test]
fn no_message_of_any_epoch_is_accepted() {
    let mut scene = scene::clean();
    let before = scene.group.message();
    let mark = scene.group.mark(&[C]);
    scene.group.accept(&mark);
    scene.group.refuse("of the epoch before", &before, Refusal::HealFirst);
    let during = scene.group.message();
    scene.group.refuse("of the marking epoch", &during, Refusal::HealFirst);
    let heal = scene.group.heal(A);
    scene.group.accept(&heal);
    scene.group.refuse("of the epoch before, afterwards", &before, Refusal::EpochNotAccepted);
    scene.group.refuse("of the marking epoch, afterwards", &during, Refusal::EpochNotAccepted);
    let after = scene.group.message();
    scene.group.accept(&after);
}

#[test]
fn the_first_clean_epoch_is_that_of_the_frame_that_heals() {
    let mut scene = scene::clean();
    let since = scene.group.state.first_clean_epoch();
    let update = scene.group.update(B);
    scene.group.accept(&update);
    assert_eq!(scene.group.state.first_clean_epoch(), since, "an update removes nobody");
    let mark = scene.group.mark(&[C]);
    scene.group.accept(&mark);
    assert_eq!(scene.group.state.first_clean_epoch(), since, "not clean yet");
    let heal = scene.group.heal(A);
    scene.group.accept(&heal);
    assert_eq!(scene.group.state.first_clean_epoch(), scene.group.state.epoch());
    let at = scene.group.state.epoch();
    let update = scene.group.update(B);
    scene.group.accept(&update);
    assert_eq!(scene.group.state.first_clean_epoch(), at);
    let removal = scene.group.remove(A, &[B]);
    scene.group.accept(&removal);
    assert_eq!(scene.group.state.first_clean_epoch(), scene.group.state.epoch(), "marked and healed at once");
}

#[test]
fn an_overdue_invite_makes_a_first_clean_epoch_too() {
    let mut scene = scene::clean();
    scene.group.now += 2 * DAY;
    let expire = scene.group.expire(C, &[scene::I]);
    scene.group.accept(&expire);
    let heal = scene.group.heal(C);
    scene.group.accept(&heal);
    assert_eq!(scene.group.state.first_clean_epoch(), scene.group.state.epoch());
}

#[test]
fn admins_may_be_changed_while_dirty_and_the_tree_stays() {
    let mut scene = dirty();
    let tree = scene.group.state.tree().hash();
    let change = draft(&mut scene, Kind::SetAdmins);
    scene.group.accept(&change);
    assert_eq!(scene.group.state.tree().hash(), tree);
    assert!(!scene.group.state.is_clean());
}
