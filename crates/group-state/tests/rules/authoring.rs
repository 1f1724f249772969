//! Authors take the verifier's steps, so what they make is accepted, or not made.

use group_state::author::{Author, Authored, Invitee, Own};
use protocol::{Refusal, Slot, body::Marks};

use crate::{
    scene::{A, B, C, I, V, clean},
    support::{DAY, Group, max_capacity, slot},
};

fn refused(group: &mut Group, expected: Refusal, make: impl FnOnce(Author<'_>) -> Result<Authored, Refusal>) {
    let (state, at, id) = group.author();
    let author = Author::new(&state, at, id, max_capacity()).unwrap();
    assert_eq!(make(author).map(|_| ()).unwrap_err(), expected);
}

fn slots(slots: &[u32]) -> Vec<Slot> {
    slots.iter().copied().map(slot).collect()
}

#[test]
fn nothing_is_made_that_no_frame_can_carry() {
    let mut group = clean().group;
    let secret = group.fresh_secret();
    refused(&mut group, Refusal::NothingToHeal, |author| {
        author.heal(slot(A), None, Own::Keep, || secret.clone())
    });
    refused(&mut group, Refusal::WrongStructure, |author| author.add_members(slot(A), Vec::new()));
    let invitees = (0..65)
        .map(|_| Invitee {
            secret: group.fresh_secret(),
            sig: group.fresh_key(),
            expires: group.expires(DAY),
        })
        .collect();
    refused(&mut group, Refusal::WrongStructure, |author| author.add_members(slot(A), invitees));
    let many: Vec<Slot> = (0..65).map(slot).collect();
    let marks = |slots| Marks { slots, admin_root: None };
    refused(&mut group, Refusal::WrongStructure, |author| author.mark_removed(marks(many.clone())));
    refused(&mut group, Refusal::WrongStructure, |author| author.mark_removed(marks(slots(&[B, B]))));
    refused(&mut group, Refusal::WrongStructure, |author| author.mark_removed(marks(Vec::new())));
    refused(&mut group, Refusal::NoSuchLeaf, |author| author.mark_removed(marks(slots(&[V]))));
    refused(&mut group, Refusal::LastMember, |author| author.mark_removed(marks(slots(&[A, B, C]))));
    refused(&mut group, Refusal::NotOverdue, |author| author.expire(slot(B), slots(&[I])));
    refused(&mut group, Refusal::NoSuchLeaf, |author| author.mark_own(slot(A), slots(&[V])));
}

#[test]
fn marks_come_in_the_order_frames_have_them_in() {
    let mut group = clean().group;
    let mark = group.mark(&[C, A]);
    group.accept(&mark);
    let mut group = clean().group;
    let removal = group.remove(B, &[I, C]);
    group.accept(&removal);
    let mut group = clean().group;
    group.now += 2 * DAY;
    let expire = group.expire(B, &[I]);
    group.accept(&expire);
}

#[test]
fn a_clock_behind_the_groups_is_moved_up() {
    let mut group = clean().group;
    group.now = 5;
    let update = group.update(B);
    group.accept(&update);
    assert_eq!(group.state.at().get(), crate::support::START);
}

#[test]
fn what_is_authored_is_what_is_folded() {
    let mut group = clean().group;
    let secret = group.fresh_secret();
    let (state, at, id) = group.author();
    let author = Author::new(&state, at, id, max_capacity()).unwrap();
    let authored = author.update_key(slot(B), secret, None).unwrap();
    let draft = group.signed(authored.head.clone());
    group.accept(&draft);
    assert_eq!(group.state.tree(), &authored.tree);
    assert_eq!(group.state.tree().hash(), authored.tree_hash());
    assert_eq!(authored.frame(vec![1]).hash(), {
        let frame = protocol::Frame::unsigned(authored.head, vec![1]);
        frame.hash()
    });
}
