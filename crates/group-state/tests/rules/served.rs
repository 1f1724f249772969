//! Frames as they are served: whole, or without what they sealed.

use protocol::{Kind, Seq, ServedFrame, frame::Served};

use crate::{
    scene::{draft, scene_for},
    support::keys,
};

#[test]
fn an_operation_without_its_sealed_part_leads_to_the_same_state() {
    for kind in Kind::ALL.iter().copied().filter(|kind| kind.is_operation() && *kind != Kind::Init) {
        let mut scene = scene_for(kind);
        let whole = draft(&mut scene, kind).frame().unwrap();
        let content = Served::Operation(whole.without_sealed());
        let served = ServedFrame { seq: Seq::new(1), received_at_ms: 0, content };
        let served = ServedFrame::decode(&served.encode()).unwrap();
        let state = |frame| scene.group.state.apply(frame, keys()).unwrap().without_proofs().state;
        let (one, other) = (state(&whole), state(served.frame().unwrap()));
        assert_eq!(one.to_bytes(), other.to_bytes(), "{kind:?}");
    }
}

#[test]
fn what_must_seal_nothing_must_not_hide_that_it_does() {
    let mut scene = scene_for(Kind::Leave);
    let mut mark = draft(&mut scene, Kind::Leave);
    mark.sealed = vec![1; 32];
    let pruned = mark.frame().unwrap().without_sealed();
    let outcome = scene.group.state.apply(&pruned, keys()).map(|_| ());
    assert_eq!(outcome, Err(protocol::Refusal::WrongStructure));
}

#[test]
fn a_joiner_checks_the_log_over_what_was_pruned() {
    let mut scene = scene_for(Kind::UpdateKey);
    let start = scene.group.state.clone();
    let mut log = Vec::new();
    for _ in 0..3 {
        let message = scene.group.message();
        scene.group.accept(&message);
        log.push(Served::MessageHash(message.frame().unwrap().hash()));
        let update = scene.group.update(1);
        scene.group.accept(&update);
        log.push(Served::Operation(update.frame().unwrap().without_sealed()));
    }
    let mut state = start;
    for content in log {
        state = match content {
            Served::MessageHash(th) => state.pass_over_message(&th).unwrap(),
            Served::Frame(frame) | Served::Operation(frame) => {
                state.apply(&frame, keys()).unwrap().without_proofs().state
            }
        };
    }
    assert_eq!(state.to_bytes(), scene.group.state.to_bytes());
}
