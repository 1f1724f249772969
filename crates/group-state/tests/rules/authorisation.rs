//! Who has to sign what.

use protocol::{Kind, Refusal, SigningKey};

use crate::{
    scene::{self, A, B, C, I, clean, draft, scene_for},
    support::{FIELDS, Field},
};

/// The fields each kind demands; nothing else may be there.
fn demanded(kind: Kind) -> &'static [Field] {
    use Field::{Leaf, NewLeaf, NewOwner, Owner, Sign, Ticket};
    match kind {
        Kind::Init => &[Leaf, Owner],
        Kind::AddMembers | Kind::IssueTicket => &[Leaf, Owner],
        Kind::UpdateKey => &[Leaf, NewLeaf],
        Kind::RevokeTicket => &[Leaf, Owner],
        Kind::Join => &[NewLeaf, Ticket],
        Kind::Rejoin | Kind::Leave | Kind::Expire | Kind::MarkOwn | Kind::Heal => &[Leaf],
        Kind::MarkRemoved | Kind::SetPolicy | Kind::SetAdmins | Kind::Close => &[Owner],
        Kind::RemoveMembers => &[Leaf, Owner],
        Kind::TransferOwner => &[Owner, NewOwner],
        Kind::Message => &[Sign],
    }
}

fn stored_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Init)
}

#[test]
fn a_frame_with_what_its_kind_demands_is_accepted() {
    for kind in stored_kinds() {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        for field in FIELDS {
            assert_eq!(draft.has(field), demanded(kind).contains(&field), "{kind:?}, {field:?}");
        }
        scene.group.accept(&draft);
    }
}

#[test]
fn exactly_the_demanded_fields_are_there() {
    for kind in stored_kinds() {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        for field in FIELDS {
            let what = format!("{kind:?}, {field:?}");
            if demanded(kind).contains(&field) {
                scene.group.refuse(&what, &draft.clone().without(field), Refusal::WrongStructure);
                continue;
            }
            let mut other = draft.clone();
            match field {
                Field::AdminProof => {
                    other.admin_proof = true;
                    scene.group.refuse(&what, &other, Refusal::WrongStructure);
                    continue;
                }
                Field::Sign => other.sign = Some(scene.group.sign_secret()),
                _ => other = other.with(field, scene.group.owner()),
            }
            scene.group.refuse(&what, &other, Refusal::WrongStructure);
        }
    }
}

#[test]
fn each_signature_is_by_the_one_it_is_demanded_of() {
    for kind in stored_kinds() {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        let stranger = scene.group.fresh_signer();
        let known: Vec<SigningKey> = [A, B, I]
            .into_iter()
            .map(|at| scene.group.leaf_signer(at))
            .chain([scene.group.owner()])
            .collect();
        for field in demanded(kind).iter().copied().filter(|field| *field != Field::Sign) {
            let (_, right, _) = draft.signers.iter().find(|(other, ..)| *other == field).unwrap();
            let right = right.verifying_key();
            for signer in known.iter().chain([&stranger]).filter(|key| key.verifying_key() != right) {
                let other = draft.clone().with(field, signer.clone());
                scene.group.refuse(&format!("{kind:?}, {field:?}"), &other, Refusal::BadSignature);
            }
        }
    }
}

#[test]
fn a_signature_of_one_role_is_none_of_another() {
    for kind in stored_kinds() {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        for i in 0..draft.signers.len() {
            for role in FIELDS.iter().filter_map(|field| field.role()) {
                let mut other = draft.clone();
                if other.signers[i].2 == role {
                    continue;
                }
                other.signers[i].2 = role;
                scene.group.refuse(&format!("{kind:?} signed as {role:?}"), &other, Refusal::BadSignature);
            }
        }
    }
}

#[test]
fn signatures_are_over_the_state_the_frame_is_built_on() {
    for kind in stored_kinds() {
        let mut scene = scene_for(kind);
        let mut draft = draft(&mut scene, kind);
        draft.ctx = protocol::Ctx::new([1; 32]);
        scene.group.refuse(&format!("{kind:?}"), &draft, Refusal::BadSignature);
    }
}

#[test]
fn signatures_are_over_the_sealed_part() {
    for kind in stored_kinds() {
        let mut scene = scene_for(kind);
        let draft = draft(&mut scene, kind);
        if draft.sealed.is_empty() {
            continue;
        }
        let signed = draft.frame().unwrap();
        let mut other = draft.clone();
        other.sealed[0] ^= 1;
        let mut forged = other.frame().unwrap();
        forged.auth = signed.auth.clone();
        let outcome = scene.group.state.apply(&forged, crate::support::keys()).map(|_| ());
        assert_eq!(outcome, Err(Refusal::BadSignature), "{kind:?}");
    }
}

#[test]
fn the_issuer_of_a_ticket_revokes_it_alone() {
    let mut scene = clean();
    let ticket = scene.ticket;
    let alone = scene.group.revoke(A, ticket);
    assert!(!alone.has(Field::Owner));
    let with_owner = alone.clone().with(Field::Owner, scene.group.owner());
    scene.group.refuse("no more than demanded", &with_owner, Refusal::WrongStructure);
    let other = scene.group.revoke(B, ticket);
    scene.group.refuse(
        "another needs the owner",
        &other.clone().without(Field::Owner),
        Refusal::WrongStructure,
    );
    assert!(scene.group.offer(&other).is_ok());
    scene.group.accept(&alone);
    assert_eq!(scene.group.state.tickets().count(), 0);
}

#[test]
fn a_key_update_without_rotation_has_no_new_signature() {
    let mut scene = clean();
    let update = scene.group.update(B);
    assert!(!update.has(Field::NewLeaf));
    let signer = scene.group.leaf_signer(B);
    let other = update.clone().with(Field::NewLeaf, signer);
    scene.group.refuse("nothing begins", &other, Refusal::WrongStructure);
    scene.group.accept(&update);
}

#[test]
fn rotation_takes_the_old_and_the_new_key() {
    for kind in [Kind::UpdateKey, Kind::Heal, Kind::RemoveMembers] {
        let mut scene = if kind == Kind::Heal { scene::dirty() } else { clean() };
        let old = scene.group.leaf_signer(B);
        let new = scene.group.fresh_signer();
        let own = group_state::author::Own::Update(scene.group.fresh_secret(), Some(new.verifying_key()));
        let draft = match kind {
            Kind::UpdateKey => scene.group.rotate(B),
            Kind::Heal => scene.group.heal_with(B, None, own),
            _ => scene.group.heal_with(B, Some(crate::support::marks(&[C])), own),
        };
        let what = format!("{kind:?}");
        scene.group.refuse(&what, &draft.clone().without(Field::NewLeaf), Refusal::WrongStructure);
        scene.group.refuse(&what, &draft.clone().with(Field::NewLeaf, old.clone()), Refusal::BadSignature);
        scene.group.refuse(&what, &draft.clone().with(Field::Leaf, new), Refusal::BadSignature);
        scene.group.accept(&draft);
        let update = scene.group.update(B);
        let by_old = update.clone().with(Field::Leaf, old);
        scene.group.refuse("the old key is none any more", &by_old, Refusal::BadSignature);
        scene.group.accept(&update);
    }
}

#[test]
fn a_message_is_signed_with_the_shared_key_of_its_epoch() {
    let mut scene = clean();
    let message = scene.group.message();
    let mut other = message.clone();
    other.sign = Some(scene.group.path(B).root().clone());
    scene.group.refuse("the root secret signs nothing", &other, Refusal::BadSignature);
    other.sign = Some(scene.group.tree_secret(&scene.group.live(B).dh));
    scene.group.refuse("a leaf secret neither", &other, Refusal::BadSignature);
    scene.group.accept(&message);
}
