//! Which messages are accepted.

use curve::TreeSecret;
use protocol::{Ctx, Epoch, Refusal};

use crate::{
    scene::{A, B, C, clean},
    support::{Draft, Group},
};

/// Keys of epochs that have gone by.
struct Past(Vec<(Epoch, Ctx, TreeSecret)>);

impl Past {
    fn note(&mut self, group: &Group) {
        self.0.push((group.state.epoch(), group.state.ctx(), group.sign_secret()));
    }

    /// A message of so many epochs ago.
    fn message(&self, group: &mut Group, ago: usize) -> Draft {
        let (epoch, ctx, secret) = self.0[self.0.len() - 1 - ago].clone();
        group.message_of(epoch, ctx, secret)
    }
}

#[test]
fn those_of_this_epoch_and_two_before() {
    let mut scene = clean();
    let mut past = Past(Vec::new());
    past.note(&scene.group);
    for at in [A, B, C] {
        let update = scene.group.update(at);
        scene.group.accept(&update);
        past.note(&scene.group);
    }
    for ago in [2, 0, 1] {
        let message = past.message(&mut scene.group, ago);
        scene.group.accept(&message);
    }
    let old = past.message(&mut scene.group, 3);
    scene.group.refuse("three epochs ago", &old, Refusal::EpochNotAccepted);
    let (_, ctx, secret) = past.0.last().unwrap().clone();
    let next = scene.group.state.epoch().next().unwrap();
    let early = scene.group.message_of(next, ctx, secret);
    scene.group.refuse("of the next epoch", &early, Refusal::EpochNotAccepted);
}

#[test]
fn none_from_before_the_last_removal() {
    let mut scene = clean();
    let mut past = Past(Vec::new());
    let update = scene.group.update(B);
    scene.group.accept(&update);
    past.note(&scene.group);
    let removal = scene.group.remove(A, &[C]);
    scene.group.accept(&removal);
    past.note(&scene.group);
    let before = past.message(&mut scene.group, 1);
    scene.group.refuse("the removed one knows that key", &before, Refusal::EpochNotAccepted);
    let now = past.message(&mut scene.group, 0);
    scene.group.accept(&now);
}

#[test]
fn each_under_the_state_of_its_own_epoch() {
    let mut scene = clean();
    let mut past = Past(Vec::new());
    past.note(&scene.group);
    let update = scene.group.update(B);
    scene.group.accept(&update);
    past.note(&scene.group);
    let (old, new) = (past.0[0].clone(), past.0[1].clone());
    for (what, epoch, ctx, secret) in [
        ("the old state", new.0, old.1, new.2.clone()),
        ("the old key", new.0, new.1, old.2.clone()),
        ("the new state", old.0, new.1, old.2),
        ("the new key", old.0, old.1, new.2),
    ] {
        let message = scene.group.message_of(epoch, ctx, secret);
        scene.group.refuse(what, &message, Refusal::BadSignature);
    }
}

#[test]
fn none_without_content() {
    let mut scene = clean();
    let mut message = scene.group.message();
    message.sealed.clear();
    scene.group.refuse("empty", &message, Refusal::WrongStructure);
}

#[test]
fn an_operation_that_leaves_the_tree_alone_ends_an_epoch_too() {
    let mut scene = clean();
    let mut past = Past(Vec::new());
    past.note(&scene.group);
    for _ in 0..3 {
        let issue = scene.group.issue(A).0;
        scene.group.accept(&issue);
    }
    let old = past.message(&mut scene.group, 0);
    scene.group.refuse("three epochs ago", &old, Refusal::EpochNotAccepted);
}

#[test]
fn one_that_fails_is_passed_over_and_the_log_goes_on() {
    let mut scene = clean();
    let mut message = scene.group.message();
    message.sign = Some(scene.group.path(B).root().clone());
    scene.group.refuse("unreadable", &message, Refusal::BadSignature);
    let th = message.frame().unwrap().hash();
    let passed = scene.group.state.pass_over_message(&th).unwrap();
    let good = scene.group.message();
    let accepted = scene.group.offer(&good).unwrap().state;
    let good_th = good.frame().unwrap().hash();
    let passed_good = scene.group.state.pass_over_message(&good_th).unwrap();
    assert_eq!((accepted.seq(), accepted.log()), (passed_good.seq(), passed_good.log()));
    assert_eq!(passed.seq(), accepted.seq());
    assert_ne!(passed.log(), accepted.log());
    assert_eq!(passed.ctx(), scene.group.state.ctx());
    // A pruned one is taken over by its hash alone, and everything after it is as if it were there.
    scene.group.state = passed_good;
    let update = scene.group.update(B);
    scene.group.accept(&update);
}

#[test]
fn the_window_is_told() {
    let mut scene = clean();
    let epochs =
        |group: &Group| group.state.message_epochs().iter().map(|w| w.epoch.get()).collect::<Vec<_>>();
    let now = scene.group.state.epoch().get();
    assert_eq!(epochs(&scene.group), [now - 2, now - 1, now]);
    assert_eq!(epochs(&Group::found(3)), [0]);
    let last = scene.group.state.message_epochs().last().unwrap();
    assert_eq!((last.ctx, last.sign_key), (scene.group.state.ctx(), scene.group.state.tree().sign_key()));
    let removal = scene.group.remove(A, &[C]);
    scene.group.accept(&removal);
    let first = scene.group.state.first_clean_epoch();
    for ago in 0..4 {
        let epoch = Epoch::new(scene.group.state.epoch().get() - ago);
        assert_eq!(scene.group.state.accepts_messages_of(epoch), epoch >= first, "{ago}");
    }
}
