//! One frame of each kind, the same in every run.

use curve::{Point, TreeSecret, schnorr::SchnorrSignature};
use protocol::{
    AdminRoot, Authorization, Ctx, Epoch, Frame, FrameId, GroupId, Head, Kind, ParamsHash, RecoveryHash,
    SignatureBytes, SigningKey, Slot, Suite, TreeHash, UnixSeconds, VerifyingKey,
    body::{
        AddMembers, Added, Body, Change, DoerMarks, Heal, Init, IssueTicket, Join, Marks, OwnChange, Policy,
        Rejoin, RevokeTicket, UpdateKey,
    },
    digest,
    head::Place,
};

pub(crate) fn point(n: u8) -> Point {
    let mut bytes = [0; TreeSecret::LEN];
    bytes[0] = n;
    TreeSecret::from_bytes(&bytes).unwrap().public()
}

pub(crate) fn points(first: u8, count: u8) -> Vec<Point> {
    (first..first + count).map(point).collect()
}

pub(crate) fn key(n: u8) -> VerifyingKey {
    SigningKey::from_seed(&[n; 32]).verifying_key()
}

fn change(slot: u32, first: u8, count: u8) -> Change {
    Change { slot: Slot::new(slot), keys: points(first, count) }
}

pub(crate) fn policy() -> Policy {
    Policy {
        params: ParamsHash::new([0x70; 32]),
        max_members: 1_000,
        message_retention: 0,
        operation_retention: 90 * 24 * 3600,
        invite_ttl: 7 * 24 * 3600,
    }
}

pub(crate) fn init() -> Init {
    Init {
        nonce: [0x11; 32],
        owner: key(1),
        admin_root: AdminRoot::new([0; 32]),
        policy: policy(),
        recovery: RecoveryHash::new([0; 32]),
        sig: key(2),
        keys: points(1, 2),
    }
}

pub(crate) fn body(kind: Kind) -> Body {
    let slots = |slots: &[u32]| slots.iter().copied().map(Slot::new).collect::<Vec<_>>();
    match kind {
        Kind::Init => Body::Init(init()),
        Kind::AddMembers => Body::AddMembers(AddMembers {
            doer: Slot::ZERO,
            added: vec![
                Added { change: change(1, 10, 3), sig: key(3), expires: UnixSeconds::new(2_000) },
                Added { change: change(2, 20, 4), sig: key(4), expires: UnixSeconds::new(3_000) },
            ],
        }),
        Kind::UpdateKey => Body::UpdateKey(UpdateKey { change: change(5, 30, 4), new_sig: Some(key(5)) }),
        Kind::IssueTicket => Body::IssueTicket(IssueTicket {
            doer: Slot::new(7),
            ticket: key(6),
            uses: 3,
            expires: UnixSeconds::new(1 << 33),
        }),
        Kind::RevokeTicket => Body::RevokeTicket(RevokeTicket { doer: Slot::ZERO, ticket: key(6) }),
        Kind::Join => {
            Body::Join(Join { ticket: key(6), change: change(3, 40, 4), sig: key(7), external: point(50) })
        }
        Kind::Rejoin => Body::Rejoin(Rejoin { change: change(0, 60, 3), external: point(51) }),
        Kind::Leave => Body::Leave(Slot::new(300)),
        Kind::MarkRemoved => Body::MarkRemoved(Marks {
            slots: slots(&[0, 1, 127, 128, 40_000]),
            admin_root: Some(AdminRoot::new([0x1d; 32])),
        }),
        Kind::Expire => Body::Expire(DoerMarks { doer: Slot::new(1), slots: slots(&[2, 4]) }),
        Kind::MarkOwn => Body::MarkOwn(DoerMarks { doer: Slot::ZERO, slots: slots(&[9]) }),
        Kind::Heal => Body::Heal(Heal {
            doer: Slot::new(2),
            marks: None,
            own: OwnChange::Update(UpdateKey { change: change(2, 70, 3), new_sig: None }),
            changes: vec![change(0, 80, 3), change(3, 85, 3)],
        }),
        Kind::RemoveMembers => Body::RemoveMembers(Heal {
            doer: Slot::new(6),
            marks: Some(Marks { slots: slots(&[4, 5]), admin_root: None }),
            own: OwnChange::Rejoin(Rejoin { change: change(6, 90, 4), external: point(52) }),
            changes: vec![change(4, 95, 4)],
        }),
        Kind::SetPolicy => Body::SetPolicy(policy()),
        Kind::SetAdmins => Body::SetAdmins(AdminRoot::new([0x1e; 32])),
        Kind::TransferOwner => Body::TransferOwner(key(8)),
        Kind::Close => Body::Close,
        Kind::Message => Body::Message,
    }
}

/// A head around a body. An Init's group and base follow from the body.
pub(crate) fn head_of(body: Body) -> Head {
    let suite = Suite::ChaCha20Poly1305;
    let at = UnixSeconds::new(1_700_000_000);
    let tree_hash_after = TreeHash::new([0x7e; 32]);
    let (group, base) = if let Body::Init(_) = body {
        let group = digest::group_id(suite, at, &tree_hash_after, &body.encode());
        (group, digest::ctx_before_init(suite, &group))
    } else {
        (GroupId::new([0x6e; 32]), Ctx::new([0xba; 32]))
    };
    let place = if body.kind().is_operation() {
        Place::Operation { base, at, tree_hash_after }
    } else {
        Place::Message { epoch: Epoch::new(77) }
    };
    Head { suite, group, frame_id: FrameId::new([0x1d; 16]), place, body }
}

pub(crate) fn head(kind: Kind) -> Head {
    head_of(body(kind))
}

fn signature(n: u8) -> Option<SignatureBytes> {
    Some(SignatureBytes::new([n; 64]))
}

/// Every field present; which of them a kind demands is not this crate's business.
pub(crate) fn full_auth() -> Authorization {
    Authorization {
        leaf: signature(0xa1),
        new_leaf: signature(0xa2),
        owner: signature(0xa3),
        new_owner: signature(0xa4),
        ticket: signature(0xa5),
        sign: Some(SchnorrSignature::from_bytes([0xa6; 64])),
        admin_proof: Some([0xa7; 128]),
    }
}

pub(crate) fn frame(kind: Kind) -> Frame {
    let head = head(kind);
    let proofs = head.body.change_count();
    let mut frame = Frame::unsigned(head, vec![0x5e; 48]);
    frame.auth = full_auth();
    frame.proofs = (1..=proofs).map(|n| [u8::try_from(n).unwrap(); 128]).collect();
    frame
}

pub(crate) fn name(kind: Kind) -> String {
    let mut name = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}
