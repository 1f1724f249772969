//! Doers, slots, keys.

use curve::Point;
use group_state::author::{Author, Invitee};
use protocol::{
    Kind, LeafId, Refusal, Slot,
    body::{Body, DoerMarks, IssueTicket, Marks, UpdateKey},
};
use ratchet_tree::{Leaf, Status};

use crate::{
    scene::{A, B, C, I, Scene, V, clean, dirty, draft, scene_for},
    support::{DAY, Draft, Field, Group, slot},
};

const NOBODY: [u32; 3] = [V, 5, 100];

/// The frame as another slot's: same signature, other name.
fn by(mut draft: Draft, at: u32) -> Draft {
    let doer = slot(at);
    match draft.body() {
        Body::AddMembers(b) => b.doer = doer,
        Body::IssueTicket(b) => b.doer = doer,
        Body::RevokeTicket(b) => b.doer = doer,
        Body::UpdateKey(b) => b.change.slot = doer,
        Body::Rejoin(b) => b.change.slot = doer,
        Body::Leave(slot) => *slot = doer,
        Body::Expire(b) | Body::MarkOwn(b) => b.doer = doer,
        Body::Heal(b) | Body::RemoveMembers(b) => {
            b.doer = doer;
            match &mut b.own {
                protocol::body::OwnChange::None => {}
                protocol::body::OwnChange::Update(own) => own.change.slot = doer,
                protocol::body::OwnChange::Rejoin(own) => own.change.slot = doer,
            }
        }
        other => panic!("{:?} has no doer", other.kind()),
    }
    draft
}

const WITH_DOER: [Kind; 10] = [
    Kind::AddMembers,
    Kind::UpdateKey,
    Kind::IssueTicket,
    Kind::RevokeTicket,
    Kind::Rejoin,
    Kind::Leave,
    Kind::Expire,
    Kind::MarkOwn,
    Kind::Heal,
    Kind::RemoveMembers,
];

#[test]
fn a_doer_is_a_live_leaf() {
    for kind in WITH_DOER {
        for at in NOBODY {
            let mut scene = scene_for(kind);
            let draft = by(draft(&mut scene, kind), at);
            scene.group.refuse(&format!("{kind:?} by slot {at}"), &draft, Refusal::NotActive);
        }
    }
}

#[test]
fn a_dirty_leaf_does_nothing() {
    for kind in WITH_DOER {
        let before = clean();
        let mut scene = dirty();
        let signer = before.group.leaf_signer(C);
        if matches!(
            kind,
            Kind::AddMembers | Kind::UpdateKey | Kind::IssueTicket | Kind::RevokeTicket | Kind::Rejoin
        ) {
            // Refused before anybody asks who did it.
            continue;
        }
        let mut draft =
            if kind == Kind::RemoveMembers { scene.group.remove(A, &[B]) } else { draft(&mut scene, kind) };
        draft = by(draft.with(Field::Leaf, signer), C);
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::NotActive);
    }
}

#[test]
fn an_invitee_only_joins_or_leaves() {
    for kind in WITH_DOER {
        let mut scene = scene_for(kind);
        let signer = scene.group.leaf_signer(I);
        let draft = by(draft(&mut scene, kind).with(Field::Leaf, signer), I);
        match kind {
            Kind::UpdateKey | Kind::Leave => {
                // The slot decides the rest, so these frames are made for it.
                let right = if kind == Kind::Leave { scene.group.leave(I) } else { scene.group.update(I) };
                scene.group.accept(&right);
            }
            Kind::Expire => {
                assert_eq!(scene.group.offer(&draft).map(|_| ()), Err(Refusal::NotActive));
            }
            _ => scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::NotActive),
        }
    }
}

#[test]
fn who_removes_itself_is_not_active_afterwards() {
    let mut scene = clean();
    let mut removal = scene.group.remove(A, &[B]);
    let Body::RemoveMembers(heal) = removal.body() else { panic!("a removal") };
    heal.marks = Some(Marks { slots: vec![slot(A)], admin_root: None });
    scene.group.refuse("marked by itself", &removal, Refusal::NotActive);
}

#[test]
fn a_new_leaf_goes_to_the_lowest_vacant_slot_first() {
    let mut scene = clean();
    let ticket = scene.ticket;
    for make in [|group: &mut Group, _| group.add(A, 1), |group: &mut Group, ticket| group.join(ticket)] {
        let mut draft: Draft = make(&mut scene.group, ticket);
        assert_eq!(draft.changes()[0].slot, slot(V));
        for other in [0, 3, 5, 6, 7, 8, 100, u32::MAX] {
            draft.changes()[0].slot = slot(other);
            let what = format!("{:?} in slot {other}", draft.kind());
            scene.group.refuse(&what, &draft, Refusal::WrongSlot);
        }
    }
    let add = scene.group.add(A, 5);
    let placed: Vec<_> = scene.group.accept(&add).added.into_iter().map(|(slot, _)| slot.get()).collect();
    assert_eq!(placed, [4, 5, 6, 7, 8], "vacant, then empty from the left, then the doubled tree");
    assert_eq!(scene.group.row(), "AAAIIIIII-------");
}

#[test]
fn the_order_of_added_leaves_is_the_order_of_slots() {
    let mut scene = clean();
    let mut add = scene.group.add(A, 2);
    let Body::AddMembers(body) = add.body() else { panic!("an add") };
    body.added.swap(0, 1);
    scene.group.refuse("swapped", &add, Refusal::WrongSlot);
}

#[test]
fn a_branch_has_one_key_for_each_level_of_its_path() {
    for kind in [Kind::AddMembers, Kind::UpdateKey, Kind::Join, Kind::Rejoin, Kind::Heal, Kind::RemoveMembers]
    {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        let mut more = draft.clone();
        let extra = scene.group.fresh_secret().public();
        more.changes()[0].keys.push(extra);
        scene.group.refuse(&format!("{kind:?}, one more"), &more, Refusal::WrongKeyCount);
        let mut fewer = draft;
        fewer.changes()[0].keys.pop();
        scene.group.refuse(&format!("{kind:?}, one fewer"), &fewer, Refusal::WrongKeyCount);
    }
}

#[test]
fn a_passed_through_level_has_no_key() {
    let mut scene = clean();
    // Slot 4 is alone in its half: the two levels below the root pass through.
    let mut join = scene.group.add(A, 1);
    assert_eq!(join.changes()[0].keys.len(), 3, "leaf, root, signing key");
    scene.group.accept(&join);
    let mut join = scene.group.add(A, 1);
    assert_eq!(join.changes()[0].keys.len(), 4, "slot 5 has a sibling now");
}

#[test]
fn reserved_keys_are_refused_at_every_level() {
    for kind in [Kind::AddMembers, Kind::UpdateKey, Kind::Join, Kind::Rejoin, Kind::Heal, Kind::RemoveMembers]
    {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        let levels = draft.clone().changes()[0].keys.len();
        for level in 0..levels {
            for reserved in [Point::generator(), Point::sign_base()] {
                for key in [reserved, negative(reserved)] {
                    let mut other = draft.clone();
                    other.changes()[0].keys[level] = key;
                    scene.group.refuse(&format!("{kind:?}, level {level}"), &other, Refusal::BadTreeKey);
                }
            }
        }
    }
}

/// The other point with the same y: the top bit of the encoding says which.
fn negative(point: Point) -> Point {
    let mut bytes = point.to_bytes();
    bytes[31] ^= 0x80;
    Point::from_bytes(&bytes).unwrap()
}

#[test]
fn no_two_leaves_share_a_tree_key() {
    for kind in [Kind::AddMembers, Kind::UpdateKey, Kind::Join, Kind::Rejoin, Kind::Heal, Kind::RemoveMembers]
    {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        for at in [A, B, C, I, V] {
            // Beside the path of any other slot the vacant leaf is taken out before keys are compared.
            if at == V && !matches!(kind, Kind::AddMembers | Kind::Join) {
                continue;
            }
            let taken = *scene.group.leaf(at).dh().unwrap();
            let mut other = draft.clone();
            other.changes()[0].keys[0] = taken;
            let outcome = scene.group.offer(&other).map(|_| ());
            assert_eq!(outcome, Err(Refusal::DuplicateTreeKey), "{kind:?}, key of slot {at}");
        }
    }
    let mut scene = clean();
    let mut add = scene.group.add(A, 2);
    let first = add.changes()[0].keys[0];
    add.changes()[1].keys[0] = first;
    scene.group.refuse("two of one frame", &add, Refusal::DuplicateTreeKey);
}

#[test]
fn no_two_leaves_share_a_signature_key() {
    let mut scene = clean();
    let ticket = scene.ticket;
    for at in [A, B, C, I] {
        let taken = scene.group.leaf_signer(at);
        let key = taken.verifying_key();
        let mut add = scene.group.add(A, 2);
        let Body::AddMembers(body) = add.body() else { panic!("an add") };
        body.added[1].sig = key;
        scene.group.refuse("added", &add, Refusal::DuplicateSignatureKey);

        let mut join = scene.group.join(ticket).with(Field::NewLeaf, taken.clone());
        let Body::Join(body) = join.body() else { panic!("a join") };
        body.sig = key;
        scene.group.refuse("joined", &join, Refusal::DuplicateSignatureKey);

        let mut update = scene.group.rotate(B).with(Field::NewLeaf, taken);
        let Body::UpdateKey(body) = update.body() else { panic!("an update") };
        body.new_sig = Some(key);
        scene.group.refuse("rotated, to its own too", &update, Refusal::DuplicateSignatureKey);
    }
    let mut add = scene.group.add(A, 2);
    let Body::AddMembers(body) = add.body() else { panic!("an add") };
    body.added[1].sig = body.added[0].sig;
    scene.group.refuse("two of one frame", &add, Refusal::DuplicateSignatureKey);
}

#[test]
fn an_update_changes_its_own_slot_and_nobody_elses() {
    let mut scene = clean();
    for at in [A, C, I] {
        let update = scene.group.update(at);
        let signer = scene.group.leaf_signer(B);
        scene.group.refuse("signed by B", &update.with(Field::Leaf, signer), Refusal::BadSignature);
    }
}

#[test]
fn leaf_ids_stay_with_their_device_and_are_never_given_again() {
    let mut scene = clean();
    let ids: Vec<LeafId> = [A, B, C, I].map(|at| scene.group.leaf_id(at)).to_vec();
    let update = scene.group.update(A);
    scene.group.accept(&update);
    let rotate = scene.group.rotate(B);
    scene.group.accept(&rotate);
    let rejoin = scene.group.rejoin(C);
    scene.group.accept(&rejoin);
    let join = scene.group.update(I);
    scene.group.accept(&join);
    assert_eq!([A, B, C, I].map(|at| scene.group.leaf_id(at)).to_vec(), ids);

    let next = scene.group.state.tree().next_leaf_id();
    let removal = scene.group.remove(A, &[C]);
    scene.group.accept(&removal);
    let again = scene.group.added(A);
    assert_eq!(again, C, "the slot is given again");
    assert_eq!(scene.group.leaf_id(C), next, "the id is not");
}

#[test]
fn since_is_the_epoch_that_set_the_key() {
    let mut scene = clean();
    for make in [Group::update, Group::rotate, Group::rejoin] {
        let draft = make(&mut scene.group, B);
        scene.group.accept(&draft);
        assert_eq!(scene.group.live(B).since, scene.group.state.epoch());
    }
    let add = scene.group.add(A, 1);
    let (at, _) = scene.group.accept(&add).added[0];
    assert_eq!(scene.group.live(at.get()).since, scene.group.state.epoch());
    let issue = scene.group.issue(A).0;
    let set_at = scene.group.live(B).since;
    scene.group.accept(&issue);
    assert_eq!(scene.group.live(B).since, set_at);
}

#[test]
fn the_verifier_writes_who_keyed_a_leaf() {
    let mut scene = clean();
    let b = scene.group.leaf_id(B);
    let add = scene.group.add(B, 1);
    let (at, _) = scene.group.accept(&add).added[0];
    assert_eq!(scene.group.leaf(at.get()).keyed_by(), Some(b));
    let c = scene.group.leaf_id(C);
    let removal = scene.group.remove(C, &[at.get()]);
    scene.group.accept(&removal);
    assert_eq!(scene.group.leaf(at.get()).keyed_by(), Some(c));
    // No body has a field for it: what an honest doer and a liar can write is the same.
    assert!(matches!(scene.group.leaf(at.get()), Leaf::Vacant { .. }));
}

#[test]
fn who_joins_is_keyed_by_nobody() {
    let mut scene = clean();
    let first = scene.group.update(I);
    let effects = scene.group.accept(&first);
    assert_eq!(effects.joined, Some((slot(I), scene.group.leaf_id(I))));
    assert_eq!(effects.updated, None);
    assert!(matches!(scene.group.live(I).status, Status::Active));
    let ticket = scene.ticket;
    let join = scene.group.join(ticket);
    let (at, _) = scene.group.accept(&join).joined.unwrap();
    assert_eq!(scene.group.leaf(at.get()).keyed_by(), None);
}

#[test]
fn the_group_does_not_grow_beyond_its_members() {
    let mut policy = crate::support::policy();
    policy.max_members = 3;
    let mut group = Group::found_with(3, policy);
    let over = group.add(0, 3);
    group.refuse("four at once", &over, Refusal::GroupFull);
    let all = group.add(0, 2);
    group.accept(&all);
    let (issue, ticket) = group.issue(0);
    group.accept(&issue);
    let one_more = group.add(0, 1);
    group.refuse("invited ones count", &one_more, Refusal::GroupFull);
    let join = group.join(ticket);
    group.refuse("a joiner too", &join, Refusal::GroupFull);
    let removal = group.remove(0, &[1]);
    group.accept(&removal);
    let (issue, ticket) = group.issue(0);
    group.accept(&issue);
    let join = group.join(ticket);
    group.accept(&join);
}

#[test]
fn the_tree_does_not_grow_beyond_the_largest_circuit() {
    let small = proofs::VerifyingKeys::new([proofs::VerifyingKeys::development()
        .key(proofs::Tier::T8.into())
        .unwrap()
        .clone()])
    .unwrap();
    let mut policy = crate::support::policy();
    policy.params = small.params_hash();
    policy.max_members = 129;
    let draft = crate::support::init(4, policy).0;
    let create = |draft: &Draft| group_state::GroupState::create(&draft.frame().unwrap(), &small).map(|_| ());
    assert_eq!(create(&draft), Err(Refusal::BadPolicy), "128 slots are the most");
    policy.max_members = 128;
    let (draft, ring, rng) = crate::support::init(4, policy);
    assert_eq!(create(&draft), Ok(()));
    // With other leaves vacant or dirty, slots run out before members do.
    let state =
        group_state::GroupState::create(&draft.frame().unwrap(), &small).unwrap().without_proofs().state;
    let mut group = Group::of(state, ring, rng);
    let add = |group: &mut Group, count| {
        let draft = group.add(0, count);
        let frame = draft.frame().unwrap();
        group.state.apply(&frame, &small).map(|proposed| proposed.without_proofs().state)
    };
    group.state = add(&mut group, 64).unwrap();
    group.state = add(&mut group, 63).unwrap();
    assert_eq!(group.state.tree().capacity().get(), 128);
    assert_eq!(add(&mut group, 1).map(|_| ()), Err(Refusal::GroupFull));
}

#[test]
fn a_group_of_another_parameter_set_is_told_apart() {
    let small = proofs::VerifyingKeys::new([proofs::VerifyingKeys::development()
        .key(proofs::Tier::T8.into())
        .unwrap()
        .clone()])
    .unwrap();
    for kind in [Kind::UpdateKey, Kind::AddMembers, Kind::Leave, Kind::SetAdmins] {
        let mut scene = clean();
        let frame = draft(&mut scene, kind).frame().unwrap();
        let outcome = scene.group.state.apply(&frame, &small).map(|_| ());
        assert_eq!(outcome, Err(Refusal::UnknownParams), "{kind:?}");
    }
    // A message has no proof.
    let mut scene = clean();
    let message = scene.group.message().frame().unwrap();
    assert!(scene.group.state.apply(&message, &small).is_ok());
}

#[test]
fn the_tree_grows_and_shrinks_with_its_members() {
    let mut group = Group::found(5);
    assert_eq!(group.row(), "A");
    for (count, row) in [(1, "AA"), (2, "AAA-"), (3, "AAAA"), (4, "AAAAA---")] {
        group.added(0);
        assert_eq!(group.row(), row, "{count} added");
    }
    let removal = group.remove(0, &[4]);
    group.accept(&removal);
    assert_eq!(group.row(), "AAAAV---", "healed, and carried on");
    let update = group.update(0);
    group.accept(&update);
    assert_eq!(group.row(), "AAAA", "normalised away, halved");
    let removal = group.remove(0, &[1, 2, 3]);
    group.accept(&removal);
    let update = group.update(0);
    group.accept(&update);
    assert_eq!(group.row(), "A");
    group.added(0);
    assert_eq!(group.row(), "AA");
}

#[test]
fn an_added_key_package_key_becomes_the_leafs() {
    let mut scene = clean();
    let invitee = Invitee {
        secret: scene.group.fresh_secret(),
        sig: scene.group.fresh_key(),
        expires: scene.group.expires(DAY),
    };
    let (sig, dh) = (invitee.sig, invitee.secret.public());
    let (state, at, id) = scene.group.author();
    let author = Author::new(&state, at, id, crate::support::max_capacity()).unwrap();
    let head = author.add_members(slot(A), vec![invitee]).unwrap().head;
    let draft = scene.group.signed(head);
    let (at, _) = scene.group.accept(&draft).added[0];
    let leaf = scene.group.live(at.get());
    assert_eq!((leaf.sig, leaf.dh), (sig, dh));
}

/// What a slot needs to hold for each kind that names others than its doer.
#[test]
fn marked_slots_hold_what_the_kind_is_for() {
    let slots = |slots: &[u32]| slots.iter().copied().map(Slot::new).collect::<Vec<_>>();
    let mut scene = clean();
    scene.group.now += 8 * DAY;
    for at in [5, 9, 100] {
        for (what, body) in [
            ("MarkRemoved", Body::MarkRemoved(Marks { slots: slots(&[at]), admin_root: None })),
            ("Expire", Body::Expire(DoerMarks { doer: slot(B), slots: slots(&[at]) })),
            ("MarkOwn", Body::MarkOwn(DoerMarks { doer: slot(B), slots: slots(&[at]) })),
        ] {
            let draft = scene.group.raw(body);
            scene.group.refuse(&format!("{what} of empty slot {at}"), &draft, Refusal::NoSuchLeaf);
        }
    }
    let vacant = scene.group.raw(Body::MarkRemoved(Marks { slots: slots(&[V]), admin_root: None }));
    scene.group.refuse("a vacant leaf has no rights to lose", &vacant, Refusal::NoSuchLeaf);
    let active = scene.group.raw(Body::Expire(DoerMarks { doer: slot(B), slots: slots(&[C]) }));
    scene.group.refuse("an active leaf does not expire", &active, Refusal::NoSuchLeaf);
    let other = scene.group.raw(Body::MarkOwn(DoerMarks { doer: slot(C), slots: slots(&[V]) }));
    scene.group.refuse("a leaf that B keyed", &other, Refusal::NoSuchLeaf);
    let mixed = scene.group.raw(Body::MarkRemoved(Marks { slots: slots(&[C, 5]), admin_root: None }));
    scene.group.refuse("one of two", &mixed, Refusal::NoSuchLeaf);
}

#[test]
fn a_leaf_that_is_gone_is_not_marked_again() {
    let mut scene = dirty();
    let again = scene.group.raw(Body::MarkRemoved(Marks { slots: vec![slot(C)], admin_root: None }));
    scene.group.refuse("marked twice", &again, Refusal::NoSuchLeaf);
}

#[test]
fn an_existing_leaf_is_what_an_update_needs() {
    // A doer is looked for before a slot, so the two refusals cannot be told apart from outside.
    let mut scene: Scene = clean();
    let update = scene.group.update(B);
    let Body::UpdateKey(UpdateKey { change, .. }) = &update.head.body else { panic!("an update") };
    let mut change = change.clone();
    change.slot = slot(V);
    let draft = scene.group.raw(Body::UpdateKey(UpdateKey { change, new_sig: None }));
    let signer = scene.group.leaf_signer(B);
    scene.group.refuse("a vacant slot", &draft.with(Field::Leaf, signer), Refusal::NotActive);
}

#[test]
fn a_ticket_is_issued_by_an_active_leaf() {
    let mut scene = clean();
    let body = IssueTicket {
        doer: slot(I),
        ticket: scene.group.fresh_key(),
        uses: 1,
        expires: scene.group.expires(DAY),
    };
    let draft = scene.group.raw(Body::IssueTicket(body));
    scene.group.refuse("an invitee", &draft, Refusal::NotActive);
}
