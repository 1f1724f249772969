//! The first frame.

use group_state::GroupState;
use protocol::{Epoch, LogHash, Refusal, Seq, Transcript, TreeHash, UnixSeconds, digest, head::Place};

use crate::support::{Draft, FIELDS, Field, Group, START, create, init, keys, policy};

#[test]
fn it_makes_the_state_of_a_group_of_one() {
    let (draft, ..) = init(1, policy());
    let state = create(&draft).unwrap().state;
    let th = draft.frame().unwrap().hash();
    assert_eq!(
        (state.epoch(), state.seq(), state.first_clean_epoch()),
        (Epoch::ZERO, Seq::ZERO, Epoch::ZERO)
    );
    assert_eq!(state.at(), UnixSeconds::new(START));
    assert_eq!(state.group(), draft.head.group);
    assert_eq!(state.transcript(), digest::transcript(&Transcript::new([0; 32]), &th));
    assert_eq!(state.log(), digest::log_hash(&LogHash::new([0; 32]), Seq::ZERO, &th));
    assert_eq!((state.tree().active_count(), state.tree().capacity().get()), (1, 1));
    assert!(state.is_clean() && !state.is_closed());
    assert_eq!(state.tickets().count(), 0);
    assert_eq!(state.message_epochs().len(), 1);
}

#[test]
fn owner_and_leaf_sign_and_nobody_else() {
    let (draft, ..) = init(1, policy());
    let stranger = Group::found(2).owner();
    for field in FIELDS {
        let what = format!("{field:?}");
        let refused =
            |draft: &Draft, expected| assert_eq!(create(draft).map(|_| ()), Err(expected), "{what}");
        match field {
            Field::Leaf | Field::Owner => {
                refused(&draft.clone().without(field), Refusal::WrongStructure);
                refused(&draft.clone().with(field, stranger.clone()), Refusal::BadSignature);
                let mut other = draft.clone();
                let signer = other.signers.iter_mut().find(|(other, ..)| *other == field).unwrap();
                signer.2 = digest::Role::NewLeaf;
                refused(&other, Refusal::BadSignature);
            }
            Field::Sign => {
                let mut other = draft.clone();
                other.sign = Some(draft.secret(0));
                refused(&other, Refusal::WrongStructure);
            }
            Field::AdminProof => {
                let mut other = draft.clone();
                other.admin_proof = true;
                refused(&other, Refusal::WrongStructure);
            }
            _ => refused(&draft.clone().with(field, stranger.clone()), Refusal::WrongStructure),
        }
    }
}

#[test]
fn it_has_one_proof_of_its_one_branch() {
    let (mut draft, ..) = init(1, policy());
    let frame = draft.frame().unwrap();
    assert_eq!(GroupState::create(&frame, keys()).unwrap().proof_count(), 1);
    assert_eq!(
        GroupState::create(&frame, keys()).unwrap().verify(keys()).map(|_| ()).unwrap_err(),
        Refusal::BadProof
    );
    for proofs in [0, 2] {
        draft.proofs = proofs;
        assert_eq!(create(&draft).map(|_| ()), Err(Refusal::WrongStructure));
    }
}

#[test]
fn its_tree_is_the_claimed_one() {
    let (draft, ..) = init(1, policy());
    let mut head = draft.head.clone();
    let Place::Operation { at, .. } = head.place else { panic!("an operation") };
    // A group of the wrong hash has another id, which the signatures then are over, too.
    let tree_hash_after = TreeHash::new([1; 32]);
    head.group = digest::group_id(head.suite, at, &tree_hash_after, &head.body.encode());
    let base = digest::ctx_before_init(head.suite, &head.group);
    head.place = Place::Operation { base, at, tree_hash_after };
    let other = Draft { head, ctx: base, ..draft };
    assert_eq!(create(&other).map(|_| ()), Err(Refusal::TreeHashMismatch));
}

#[test]
fn its_keys_are_not_reserved() {
    use curve::Point;
    for at in [0, 1] {
        for reserved in [Point::generator(), Point::sign_base()] {
            let (draft, ..) = init(1, policy());
            let mut head = draft.head.clone();
            let protocol::body::Body::Init(body) = &mut head.body else { panic!("an init") };
            body.keys[at] = reserved;
            let Place::Operation { at, tree_hash_after, .. } = head.place else { panic!("an operation") };
            head.group = digest::group_id(head.suite, at, &tree_hash_after, &head.body.encode());
            let base = digest::ctx_before_init(head.suite, &head.group);
            head.place = Place::Operation { base, at, tree_hash_after };
            let other = Draft { head, ctx: base, ..draft };
            assert_eq!(create(&other).map(|_| ()), Err(Refusal::BadTreeKey));
        }
    }
}

#[test]
fn no_other_kind_founds_a_group() {
    let mut group = Group::found(1);
    for draft in [group.update(0), group.message(), group.add(0, 1)] {
        assert_eq!(create(&draft).map(|_| ()), Err(Refusal::WrongStructure));
    }
}
