//! What every frame has to fit: group, suite, state, time, structure, tree.

use protocol::{Ctx, GroupId, Kind, Refusal, Suite, TreeHash, UnixSeconds, body::Body};

use crate::{
    scene::{clean, draft, scene_for},
    support::{DAY, keys},
};

fn stored_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Init)
}

fn operations() -> impl Iterator<Item = Kind> {
    stored_kinds().filter(|kind| kind.is_operation())
}

#[test]
fn another_group() {
    for kind in stored_kinds() {
        let mut scene = scene_for(kind);
        let mut draft = draft(&mut scene, kind);
        draft.head.group = GroupId::new([1; 32]);
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::NotAccepted);
    }
}

#[test]
fn another_suite() {
    for kind in stored_kinds() {
        let mut scene = scene_for(kind);
        let mut draft = draft(&mut scene, kind);
        draft.head.suite = Suite::ChaCha20Poly1305;
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::UnknownSuite);
    }
}

#[test]
fn another_base() {
    for kind in operations() {
        let mut scene = scene_for(kind);
        let mut draft = draft(&mut scene, kind);
        let base = Ctx::new([1; 32]);
        *draft.place().0 = base;
        draft.ctx = base;
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::StaleEpoch);
    }
}

#[test]
fn an_operation_is_stale_after_any_other() {
    for kind in operations() {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        let other = scene.group.plain(Body::SetAdmins(protocol::AdminRoot::new([9; 32])));
        scene.group.accept(&other);
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::StaleEpoch);
    }
}

#[test]
fn an_operation_is_stale_after_itself() {
    for kind in operations() {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        scene.group.accept(&draft);
        let expected = if kind == Kind::Close { Refusal::GroupClosed } else { Refusal::StaleEpoch };
        scene.group.refuse(&format!("{kind:?} twice"), &draft, expected);
    }
}

#[test]
fn a_message_between_makes_no_operation_stale() {
    for kind in operations().filter(|kind| *kind != Kind::Heal) {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        let message = scene.group.message();
        scene.group.accept(&message);
        scene.group.accept(&draft);
    }
}

#[test]
fn time_does_not_run_backwards() {
    for kind in operations() {
        let mut scene = scene_for(kind);
        let last = scene.group.state.at();
        let mut draft = draft(&mut scene, kind);
        *draft.place().1 = UnixSeconds::new(last.get() - 1);
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::TimeBackwards);
    }
}

#[test]
fn time_may_stand_still_and_is_taken_over() {
    let mut scene = clean();
    let last = scene.group.state.at();
    let same = draft(&mut scene, Kind::UpdateKey);
    scene.group.accept(&same);
    assert_eq!(scene.group.state.at(), last);
    scene.group.now += DAY;
    let later = draft(&mut scene, Kind::Rejoin);
    scene.group.accept(&later);
    assert_eq!(scene.group.state.at(), UnixSeconds::new(last.get() + DAY));
    let message = scene.group.message();
    scene.group.accept(&message);
    assert_eq!(scene.group.state.at(), UnixSeconds::new(last.get() + DAY));
}

#[test]
fn the_tree_afterwards_is_the_claimed_one() {
    for kind in operations() {
        let mut scene = scene_for(kind);
        let mut draft = draft(&mut scene, kind);
        *draft.place().2 = TreeHash::new([1; 32]);
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::TreeHashMismatch);
    }
}

#[test]
fn there_is_one_proof_for_each_change() {
    for kind in stored_kinds() {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        let expected = match kind {
            Kind::AddMembers | Kind::RemoveMembers => 2,
            Kind::UpdateKey | Kind::Join | Kind::Rejoin | Kind::Heal => 1,
            _ => 0,
        };
        assert_eq!(draft.proofs, expected, "{kind:?}");
        let mut other = draft.clone();
        other.proofs += 1;
        scene.group.refuse(&format!("{kind:?}, one too many"), &other, Refusal::WrongStructure);
        if expected > 0 {
            other.proofs = expected - 1;
            scene.group.refuse(&format!("{kind:?}, one too few"), &other, Refusal::WrongStructure);
        }
        let frame = draft.frame().unwrap();
        assert_eq!(scene.group.state.apply(&frame, keys()).unwrap().proof_count(), expected);
    }
}

#[test]
fn bytes_that_are_no_proof_are_a_bad_proof() {
    for kind in [Kind::AddMembers, Kind::UpdateKey, Kind::Join, Kind::Rejoin, Kind::Heal, Kind::RemoveMembers]
    {
        let mut scene = scene_for(kind);
        let mut frame = draft(&mut scene, kind).frame().unwrap();
        for bytes in [[0; 128], [0xff; 128]] {
            *frame.proofs.last_mut().unwrap() = bytes;
            let outcome = scene.group.state.apply(&frame, keys()).map(|_| ());
            assert_eq!(outcome, Err(Refusal::BadProof), "{kind:?}");
        }
    }
}

#[test]
fn a_proof_that_proves_nothing_is_refused() {
    for kind in [Kind::UpdateKey, Kind::Join, Kind::Heal] {
        let mut scene = scene_for(kind);
        let frame = draft(&mut scene, kind).frame().unwrap();
        let proposed = scene.group.state.apply(&frame, keys()).unwrap();
        assert_eq!(proposed.verify(keys()).map(|_| ()).unwrap_err(), Refusal::BadProof, "{kind:?}");
    }
}

#[test]
fn every_operation_moves_epoch_and_position_by_one() {
    for kind in operations() {
        let mut scene = scene_for(kind);
        let before = scene.group.state.clone();
        let draft = draft(&mut scene, kind);
        scene.group.accept(&draft);
        let after = &scene.group.state;
        assert_eq!(after.epoch(), before.epoch().next().unwrap(), "{kind:?}");
        assert_eq!(after.seq(), before.seq().next().unwrap(), "{kind:?}");
        let th = draft.frame().unwrap().hash();
        assert_eq!(after.transcript(), protocol::digest::transcript(&before.transcript(), &th), "{kind:?}");
        assert_eq!(after.log(), protocol::digest::log_hash(&before.log(), after.seq(), &th), "{kind:?}");
        assert_ne!(after.ctx(), before.ctx());
    }
}

#[test]
fn a_message_moves_the_position_alone() {
    let mut scene = clean();
    let before = scene.group.state.clone();
    let message = scene.group.message();
    scene.group.accept(&message);
    let after = &scene.group.state;
    let th = message.frame().unwrap().hash();
    assert_eq!(after.seq(), before.seq().next().unwrap());
    assert_eq!(after.log(), protocol::digest::log_hash(&before.log(), after.seq(), &th));
    assert_eq!((after.epoch(), after.ctx()), (before.epoch(), before.ctx()));
    assert_eq!(after.transcript(), before.transcript());
}

#[test]
fn an_init_founds_a_group_and_does_nothing_else() {
    let mut scene = clean();
    let own = draft(&mut scene, Kind::Init);
    assert_eq!(own.head.group, scene.group.state.group());
    scene.group.refuse("the first frame again", &own, Refusal::StaleEpoch);
}

#[test]
fn another_groups_init_names_its_own_group() {
    let scene = clean();
    let mut other = crate::support::init(2, crate::support::policy()).0;
    scene.group.refuse("as it is", &other, Refusal::NotAccepted);
    other.head.group = scene.group.state.group();
    scene.group.refuse("under this group's name", &other, Refusal::Malformed);
}
