//! What a group of a thousand costs, counted in keys, proofs and bytes.

use std::sync::OnceLock;

use group_state::author::Own;
use protocol::limits::MAX_CHANGES;

use crate::support::{Draft, Group, keys, marks};

const MEMBERS: u32 = 1_000;
/// Levels of a tree of 1,024 slots.
const DEPTH: usize = 10;

fn fold(group: &mut Group, draft: &Draft) {
    group.state = group.state.apply(&draft.frame().unwrap(), keys()).unwrap().without_proofs().state;
}

/// A thousand leaves: invited in sixty-fours by doers with room for them, some of whom joined.
fn thousand() -> Group {
    static GROUP: OnceLock<Group> = OnceLock::new();
    GROUP
        .get_or_init(|| {
            let mut group = Group::found(1);
            let mut doer = 0;
            while group.state.tree().live_count() < MEMBERS {
                if group.state.tree().invites_of(group.leaf_id(doer)) + MAX_CHANGES > 256 {
                    doer += 1;
                    let update = group.update(doer);
                    fold(&mut group, &update);
                }
                let left = usize::try_from(MEMBERS - group.state.tree().live_count()).unwrap();
                let add = group.add(doer, left.min(MAX_CHANGES));
                fold(&mut group, &add);
            }
            for at in [500, 501, 502, 777, 999] {
                let update = group.update(at);
                fold(&mut group, &update);
            }
            assert_eq!(group.state.tree().capacity().get(), 1 << DEPTH);
            group
        })
        .clone()
}

fn bytes(draft: &Draft) -> usize {
    draft.frame().unwrap().encode().unwrap().len()
}

#[test]
fn one_members_change_is_one_proof_and_a_path_of_keys() {
    let mut group = thousand();
    for mut draft in [group.update(500), group.update(501), group.update(3)] {
        let keys = draft.changes()[0].keys.len();
        assert!(keys <= DEPTH + 2, "{keys} keys");
        assert_eq!(draft.proofs, 1);
        assert!(bytes(&draft) < 32 * keys + 450, "{} bytes for {keys} keys", bytes(&draft));
    }
}

#[test]
fn a_removal_is_one_proof_for_each_removed_at_most() {
    let mut group = thousand();
    for (count, step) in [(1, 1), (16, 60), (64, 15)] {
        let named: Vec<u32> =
            (0..count).map(|n| 40 + n * step).filter(|at| *at != 500 && *at < 990).collect();
        let removal = group.heal_with(500, Some(marks(&named)), Own::Keep);
        assert!(removal.proofs <= named.len(), "{} proofs for {} removed", removal.proofs, named.len());
        assert!(bytes(&removal) < 500 + named.len() * (32 * (DEPTH + 2) + 150), "{} bytes", bytes(&removal));
    }
}

#[test]
fn neighbours_go_with_one_proof() {
    let mut group = thousand();
    let run: Vec<u32> = (128..192).collect();
    let removal = group.heal_with(500, Some(marks(&run)), Own::Keep);
    assert_eq!((run.len(), removal.proofs), (64, 1), "a run without a live leaf folds into one");
    group.accept(&removal);
    assert!(group.state.is_clean());
}

#[test]
fn an_inviter_of_hundreds_goes_in_a_few_frames() {
    let mut group = thousand();
    let keyed = group.state.tree().keyed_by(group.leaf_id(0)).count();
    assert!(keyed > 240, "{keyed} invites");
    let mut frames = 0;
    let removal = group.heal_with(500, Some(marks(&[0])), Own::Keep);
    group.accept(&removal);
    frames += 1;
    while !group.state.is_clean() {
        let heal = group.heal(501);
        group.accept(&heal);
        frames += 1;
    }
    // Most of them sit side by side.
    assert!(frames <= 2, "{frames} frames for {keyed} leaves");
}

#[test]
fn marks_are_small_and_prove_nothing() {
    let mut group = thousand();
    for draft in [group.leave(777), group.mark(&[3]), group.mark(&(128..192).collect::<Vec<_>>())] {
        assert_eq!(draft.proofs, 0);
        assert!(bytes(&draft) < 450, "{:?}: {} bytes", draft.kind(), bytes(&draft));
    }
}

#[test]
fn sixty_four_invites_fit_a_frame_of_forty_kilobytes() {
    let mut group = thousand();
    let add = group.add(500, MAX_CHANGES - 40);
    assert!(bytes(&add) < 40_000);
    assert_eq!(add.proofs, MAX_CHANGES - 40);
}

#[test]
fn a_state_is_two_hundred_bytes_a_member() {
    let group = thousand();
    let len = group.state.to_bytes().len();
    assert!(len < 200 * usize::try_from(MEMBERS).unwrap(), "{len} bytes");
}
