//! Frames of every kind with anything in them that has the right form.

use std::sync::OnceLock;

use curve::{Point, TreeSecret, schnorr::SchnorrSignature};
use proptest::{collection::vec, option, prelude::*, sample};
use protocol::{
    AdminRoot, Authorization, Ctx, Epoch, Frame, FrameId, GroupId, Head, ParamsHash, RecoveryHash,
    SignatureBytes, SigningKey, Slot, Suite, TreeHash, UnixSeconds, VerifyingKey,
    body::{
        AddMembers, Added, Body, Change, DoerMarks, Heal, Init, IssueTicket, Join, Marks, OwnChange, Policy,
        Rejoin, RevokeTicket, UpdateKey,
    },
    digest,
    head::Place,
};

/// Making a key costs more than everything else here, so they come from a stock.
fn point() -> impl Strategy<Value = Point> {
    static STOCK: OnceLock<Vec<Point>> = OnceLock::new();
    let stock = STOCK.get_or_init(|| {
        (0..64)
            .map(|n| {
                let mut bytes = [n; TreeSecret::LEN];
                bytes[31] = 0;
                TreeSecret::from_bytes(&bytes).unwrap().public()
            })
            .collect()
    });
    sample::select(stock.as_slice())
}

fn key() -> impl Strategy<Value = VerifyingKey> {
    static STOCK: OnceLock<Vec<VerifyingKey>> = OnceLock::new();
    let stock =
        STOCK.get_or_init(|| (0..64).map(|n| SigningKey::from_seed(&[n; 32]).verifying_key()).collect());
    sample::select(stock.as_slice())
}

fn slot() -> impl Strategy<Value = Slot> {
    prop_oneof![Just(0), 0u32..300, any::<u32>()].prop_map(Slot::new)
}

fn seconds() -> impl Strategy<Value = UnixSeconds> {
    prop_oneof![Just(0), any::<u64>()].prop_map(UnixSeconds::new)
}

fn change() -> impl Strategy<Value = Change> {
    (slot(), vec(point(), 2..6)).prop_map(|(slot, keys)| Change { slot, keys })
}

fn slots() -> impl Strategy<Value = Vec<Slot>> {
    prop::collection::btree_set(slot(), 1..8).prop_map(|slots| slots.into_iter().collect())
}

fn policy() -> impl Strategy<Value = Policy> {
    let number = || prop_oneof![Just(0), any::<u64>()];
    (any::<[u8; 32]>(), any::<u32>(), number(), number(), number()).prop_map(
        |(params, max_members, message_retention, operation_retention, invite_ttl)| Policy {
            params: ParamsHash::new(params),
            max_members,
            message_retention,
            operation_retention,
            invite_ttl,
        },
    )
}

fn update() -> impl Strategy<Value = UpdateKey> {
    (change(), option::of(key())).prop_map(|(change, new_sig)| UpdateKey { change, new_sig })
}

fn rejoin() -> impl Strategy<Value = Rejoin> {
    (change(), point()).prop_map(|(change, external)| Rejoin { change, external })
}

/// A canonical root: with its three top bits clear it is below the modulus.
fn admin_root() -> impl Strategy<Value = AdminRoot> {
    any::<[u8; 32]>().prop_map(|mut root| {
        root[31] &= 0x1f;
        AdminRoot::new(root)
    })
}

fn marks() -> impl Strategy<Value = Marks> {
    (slots(), option::of(admin_root())).prop_map(|(slots, admin_root)| Marks { slots, admin_root })
}

fn heal(marks: impl Strategy<Value = Option<Marks>>) -> impl Strategy<Value = Heal> {
    let own = prop_oneof![
        Just(OwnChange::None),
        update().prop_map(OwnChange::Update),
        rejoin().prop_map(OwnChange::Rejoin)
    ];
    (slot(), marks, own, vec(change(), 1..4)).prop_map(|(doer, marks, mut own, changes)| {
        match &mut own {
            OwnChange::None => {}
            OwnChange::Update(update) => update.change.slot = doer,
            OwnChange::Rejoin(rejoin) => rejoin.change.slot = doer,
        }
        Heal { doer, marks, own, changes }
    })
}

fn init() -> impl Strategy<Value = Init> {
    let hash = any::<[u8; 32]>;
    (hash(), key(), admin_root(), policy(), hash(), key(), [point(), point()]).prop_map(
        |(nonce, owner, admin_root, policy, recovery, sig, keys)| Init {
            nonce,
            owner,
            admin_root,
            policy,
            recovery: RecoveryHash::new(recovery),
            sig,
            keys: keys.to_vec(),
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    let doer_marks = || (slot(), slots()).prop_map(|(doer, slots)| DoerMarks { doer, slots });
    let added =
        (change(), key(), seconds()).prop_map(|(change, sig, expires)| Added { change, sig, expires });
    prop_oneof![
        init().prop_map(Body::Init),
        (slot(), vec(added, 1..4)).prop_map(|(doer, added)| Body::AddMembers(AddMembers { doer, added })),
        update().prop_map(Body::UpdateKey),
        (slot(), key(), any::<u32>(), seconds()).prop_map(|(doer, ticket, uses, expires)| {
            Body::IssueTicket(IssueTicket { doer, ticket, uses, expires })
        }),
        (slot(), key()).prop_map(|(doer, ticket)| Body::RevokeTicket(RevokeTicket { doer, ticket })),
        (key(), change(), key(), point()).prop_map(|(ticket, change, sig, external)| Body::Join(Join {
            ticket,
            change,
            sig,
            external
        })),
        rejoin().prop_map(Body::Rejoin),
        slot().prop_map(Body::Leave),
        marks().prop_map(Body::MarkRemoved),
        doer_marks().prop_map(Body::Expire),
        doer_marks().prop_map(Body::MarkOwn),
        heal(Just(None)).prop_map(Body::Heal),
        heal(marks().prop_map(Some)).prop_map(Body::RemoveMembers),
        policy().prop_map(Body::SetPolicy),
        admin_root().prop_map(Body::SetAdmins),
        key().prop_map(Body::TransferOwner),
        Just(Body::Close),
        Just(Body::Message),
    ]
}

prop_compose! {
    pub(crate) fn head()(
        body in body(),
        suite in sample::select(&[Suite::Aes256Gcm, Suite::ChaCha20Poly1305][..]),
        group: [u8; 32],
        frame_id: [u8; 16],
        base: [u8; 32],
        at in seconds(),
        tree: [u8; 32],
        epoch in prop_oneof![Just(0), any::<u64>()],
    ) -> Head {
        let tree_hash_after = TreeHash::new(tree);
        let (mut group, mut base) = (GroupId::new(group), Ctx::new(base));
        if let Body::Init(_) = body {
            group = digest::group_id(suite, at, &tree_hash_after, &body.encode());
            base = digest::ctx_before_init(suite, &group);
        }
        let place = if body.kind().is_operation() {
            Place::Operation { base, at, tree_hash_after }
        } else {
            Place::Message { epoch: Epoch::new(epoch) }
        };
        Head { suite, group, frame_id: FrameId::new(frame_id), place, body }
    }
}

fn auth() -> impl Strategy<Value = Authorization> {
    let signature = || option::of(any::<u8>().prop_map(|n| SignatureBytes::new([n; 64])));
    (
        [signature(), signature(), signature(), signature(), signature()],
        option::of(any::<u8>().prop_map(|n| SchnorrSignature::from_bytes([n; 64]))),
        option::of(any::<u8>().prop_map(|n| [n; 128])),
    )
        .prop_map(|([leaf, new_leaf, owner, new_owner, ticket], sign, admin_proof)| Authorization {
            leaf,
            new_leaf,
            owner,
            new_owner,
            ticket,
            sign,
            admin_proof,
        })
}

prop_compose! {
    pub(crate) fn frame()(
        head in head(),
        sealed in vec(any::<u8>(), 0..80),
        auth in auth(),
        proofs in vec(any::<u8>().prop_map(|n| [n; 128]), 0..4),
    ) -> Frame {
        let mut frame = Frame::unsigned(head, sealed);
        frame.auth = auth;
        frame.proofs = proofs;
        frame
    }
}
