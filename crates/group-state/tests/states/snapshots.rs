//! A state comes back from its bytes, and no other state does.

use group_state::{GroupState, SnapshotError};
use protocol::{Ctx, LogHash, Seq, SigningKey, body::Body};

use crate::support::{Group, keys};

/// A state of every sort.
pub fn states() -> Vec<(&'static str, GroupState)> {
    let mut out = Vec::new();
    let mut group = Group::found(1);
    out.push(("founded", group.state.clone()));
    for _ in 0..4 {
        group.added(0);
    }
    let add = group.add(1, 2);
    group.accept(&add);
    for _ in 0..2 {
        let issue = group.issue(1).0;
        group.accept(&issue);
    }
    out.push(("with-tickets", group.state.clone()));
    let message = group.message();
    group.accept(&message);
    let removal = group.remove(2, &[3]);
    group.accept(&removal);
    out.push(("healed", group.state.clone()));
    let mark = group.mark(&[1]);
    group.accept(&mark);
    out.push(("dirty", group.state.clone()));
    let close = group.plain(Body::Close);
    group.accept(&close);
    out.push(("closed", group.state));
    out
}

/// The fields of a message at its top: number, and the whole field as bytes.
fn fields(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    fn varint(bytes: &[u8]) -> (u64, usize) {
        let len = bytes.iter().position(|byte| *byte < 0x80).unwrap() + 1;
        (bytes[..len].iter().rev().fold(0, |n, byte| n << 7 | u64::from(byte & 0x7f)), len)
    }
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (tag, tag_len) = varint(rest);
        let (n, n_len) = varint(&rest[tag_len..]);
        let content = if tag & 7 == 2 { usize::try_from(n).unwrap() } else { 0 };
        let (field, after) = rest.split_at(tag_len + n_len + content);
        out.push((tag >> 3, field.to_vec()));
        rest = after;
    }
    out
}

fn joined(fields: &[(u64, Vec<u8>)]) -> Vec<u8> {
    fields.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
}

fn refused(bytes: &[u8]) -> SnapshotError {
    GroupState::from_bytes(bytes).map(|_| ()).unwrap_err()
}

#[test]
fn every_state_comes_back() {
    for (name, state) in states() {
        let bytes = state.to_bytes();
        let again = GroupState::from_bytes(&bytes).unwrap();
        assert_eq!(again.to_bytes(), bytes, "{name}");
        assert_eq!((again.ctx(), again.seq(), again.log()), (state.ctx(), state.seq(), state.log()));
        assert_eq!(again.tree(), state.tree());
        assert_eq!(again.message_epochs(), state.message_epochs());
        assert!(again.tickets().eq(state.tickets()));
        assert_eq!(again.is_closed(), state.is_closed());
    }
}

#[test]
fn a_state_goes_on_where_it_was_stored() {
    let mut group = Group::found(2);
    group.added(0);
    let (frame, message) = (group.update(1).frame().unwrap(), group.message().frame().unwrap());
    let stored = GroupState::from_bytes(&group.state.to_bytes()).unwrap();
    for frame in [frame, message] {
        let next =
            |state: &GroupState| state.apply(&frame, keys()).unwrap().without_proofs().state.to_bytes();
        assert_eq!(next(&stored), next(&group.state));
    }
}

#[test]
fn a_changed_byte_is_refused_or_outside_of_what_is_served() {
    for (name, state) in states() {
        let bytes = state.to_bytes();
        let honest =
            GroupState::from_served(&bytes, &state.ctx(), state.seq(), state.log()).unwrap().to_bytes();
        let mut passed = 0;
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1 << (at % 8);
            if let Ok(read) = GroupState::from_served(&other, &state.ctx(), state.seq(), state.log()) {
                assert_eq!(read.to_bytes(), honest, "{name}, byte {at}");
                passed += 1;
            }
        }
        // What ctx does not cover is position, log hash and window, which are not taken from the server.
        assert!(passed < 32 + 16 + 3 * 80, "{name}: {passed} of {} bytes", bytes.len());
    }
}

#[test]
fn a_served_state_is_the_anchors_or_none() {
    let all = states();
    for (name, state) in &all {
        let read = |ctx: &Ctx| GroupState::from_served(&state.to_bytes(), ctx, state.seq(), state.log());
        assert!(read(&state.ctx()).is_ok());
        for (_, other) in all.iter().filter(|(other, _)| other != name) {
            assert_eq!(read(&other.ctx()).map(|_| ()).unwrap_err(), SnapshotError::Digest, "{name}");
        }
    }
}

#[test]
fn position_and_window_of_a_served_state_are_not_the_servers() {
    let (_, state) = states().remove(2);
    assert_eq!(state.message_epochs().len(), 3);
    let (seq, log) = (Seq::new(77), LogHash::new([7; 32]));
    let read = GroupState::from_served(&state.to_bytes(), &state.ctx(), seq, log).unwrap();
    assert_eq!((read.seq(), read.log()), (seq, log));
    assert_eq!(read.message_epochs(), &state.message_epochs()[2..]);
}

#[test]
fn a_state_that_is_not_its_digest_is_refused() {
    let (_, state) = states().remove(1);
    let whole = fields(&state.to_bytes());
    let mut tampered = 0;
    for (number, _) in &whole {
        // Numbers of at most one byte are raised by one; of byte strings the last byte is changed.
        let mut other = whole.clone();
        let field = &mut other.iter_mut().find(|(other, _)| other == number).unwrap().1;
        let change = if field.len() == 2 { 3 } else { 1 };
        *field.last_mut().unwrap() ^= change;
        // 1 version; 16 to 18 position and window, which no digest covers.
        if ![1, 16, 17, 18].contains(number) {
            assert!(GroupState::from_bytes(&joined(&other)).is_err(), "field {number}");
            tampered += 1;
        }
    }
    assert!(tampered > 10);
}

#[test]
fn another_version_is_told() {
    let mut whole = fields(&states()[0].1.to_bytes());
    assert_eq!(whole[0], (1, vec![0x08, 1]));
    whole[0].1[1] = 2;
    assert_eq!(refused(&joined(&whole)), SnapshotError::Version(2));
    assert_eq!(refused(&[]), SnapshotError::Version(0));
}

#[test]
fn cut_off_or_mixed_bytes_are_malformed() {
    let all = states();
    let bytes = all[1].1.to_bytes();
    for cut in [1, 10, bytes.len() / 2, bytes.len() - 1] {
        assert!(GroupState::from_bytes(&bytes[..cut]).is_err(), "{cut}");
    }
    assert_eq!(refused(&bytes[..bytes.len() - 1]), SnapshotError::Malformed);
    assert_eq!(refused(&[0xff; 100]), SnapshotError::Malformed);
    // The tree of one state inside another.
    let mut mixed = fields(&bytes);
    let other = fields(&all[2].1.to_bytes());
    let tree = |fields: &[(u64, Vec<u8>)]| fields.iter().position(|(number, _)| *number == 8).unwrap();
    let (at, from) = (tree(&mixed), tree(&other));
    mixed[at] = other[from].clone();
    assert!(GroupState::from_bytes(&joined(&mixed)).is_err());
}

#[test]
fn more_than_a_state_can_have_is_malformed() {
    let (_, state) = states().remove(1);
    let whole = fields(&state.to_bytes());
    let repeated = |number: u64, times: usize| {
        let mut out = Vec::new();
        for field in &whole {
            let copies = if field.0 == number { times } else { 1 };
            out.extend(std::iter::repeat_n(field.clone(), copies));
        }
        joined(&out)
    };
    assert_eq!(refused(&repeated(13, 17)), SnapshotError::Malformed, "34 tickets");
    assert_eq!(refused(&repeated(18, 2)), SnapshotError::Malformed, "six epochs");
    assert_eq!(refused(&repeated(18, 0)), SnapshotError::Malformed, "no epoch");

    // In order, and the last one right: one too many all the same.
    let mut four = whole.clone();
    let first = four.iter().position(|(number, _)| *number == 18).unwrap();
    assert_eq!(four.len() - first, 3);
    let mut earlier = four[first].clone();
    let epoch = &mut earlier.1[4];
    assert!((1..0x80).contains(epoch), "an epoch of one byte, behind the tags and a length");
    *epoch -= 1;
    four.insert(first, earlier);
    assert_eq!(refused(&joined(&four)), SnapshotError::Malformed, "four epochs");
    four.remove(first + 1);
    assert!(GroupState::from_bytes(&joined(&four)).is_ok(), "three are as many as there may be");
}

#[test]
fn the_window_ends_with_the_state_itself() {
    // A message of the current epoch is checked against the window: it must not be another's.
    let (_, state) = states().remove(1);
    let whole = fields(&state.to_bytes());
    let last = whole.len() - 1;
    assert_eq!(whole[last].0, 18);
    let stranger = SigningKey::from_seed(&[1; 32]).verifying_key();
    assert_ne!(stranger, state.owner());
    let other = states().remove(2).1;
    let others = fields(&other.to_bytes());
    let foreign = |part: fn(&[u8]) -> std::ops::Range<usize>| {
        let mut tampered = whole.clone();
        let mut from = others.last().unwrap().1.clone();
        let (to_range, from_range) = (part(&tampered[last].1), part(&from));
        let bytes: Vec<u8> = from.drain(from_range).collect();
        tampered[last].1.splice(to_range, bytes);
        joined(&tampered)
    };
    // ctx and key are the last 32 bytes of their fields, with two bytes of head before each.
    assert_eq!(
        refused(&foreign(|field| field.len() - 66..field.len() - 34)),
        SnapshotError::Malformed,
        "ctx"
    );
    assert_eq!(
        refused(&foreign(|field| field.len() - 32..field.len())),
        SnapshotError::Malformed,
        "signing key"
    );
}
