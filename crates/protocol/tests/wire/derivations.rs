//! Every digest computed once more, from its definition and with nothing but SHA-256.

use curve::Point;
use protocol::{
    AdminRoot, Ctx, Epoch, FrameDigest, GroupId, Kind, LeafId, LogHash, PolicyHash, RecoveryHash, Refusal,
    Seq, Suite, Transcript, TreeHash, UnixSeconds,
    body::{Body, Ticket},
    digest::{self, CtxFields, Role},
    head::{Head, Place},
};
use sha2::{Digest, Sha256};

use crate::fixtures;

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

#[test]
fn th_covers_head_and_sealed_part() {
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        let expected =
            sha256(&[b"kith/v1/tbs", &sha256(&[frame.head_bytes()]), &sha256(&[frame.sealed().unwrap()])]);
        assert_eq!(frame.hash().as_bytes(), &expected, "{kind:?}");
    }
}

#[test]
fn associated_data_is_the_head_under_the_label_of_its_sort() {
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        let label: &[u8] = if *kind == Kind::Message { b"kith/v1/msg" } else { b"kith/v1/op" };
        assert_eq!(frame.head_digest().as_bytes(), &sha256(&[label, frame.head_bytes()]), "{kind:?}");
    }
}

#[test]
fn d_covers_kind_state_and_frame() {
    let ctx = Ctx::new([0xc7; 32]);
    for kind in Kind::ALL {
        let frame = fixtures::frame(*kind);
        let expected =
            sha256(&[b"kith/v1/frame", &kind.code().to_be_bytes(), ctx.as_bytes(), frame.hash().as_bytes()]);
        assert_eq!(frame.digest(&ctx).as_bytes(), &expected, "{kind:?}");
    }
}

#[test]
fn each_role_signs_its_own_message() {
    let d = FrameDigest::new([0xd0; 32]);
    let roles: [(Role, &[u8]); 5] = [
        (Role::Leaf, b"kith/v1/auth/leaf"),
        (Role::NewLeaf, b"kith/v1/auth/new-leaf"),
        (Role::Owner, b"kith/v1/auth/owner"),
        (Role::NewOwner, b"kith/v1/auth/new-owner"),
        (Role::Ticket, b"kith/v1/auth/ticket"),
    ];
    for (role, label) in roles {
        assert_eq!(role.message(&d), sha256(&[label, d.as_bytes()]), "{role:?}");
    }
}

#[test]
fn chains_take_in_what_was_before() {
    let th = fixtures::frame(Kind::Close).hash();
    let t = Transcript::new([0x11; 32]);
    let expected = sha256(&[b"kith/v1/transcript", t.as_bytes(), th.as_bytes()]);
    assert_eq!(digest::transcript(&t, &th).as_bytes(), &expected);
    let log = LogHash::new([0x12; 32]);
    let seq = Seq::new(0x0102_0304_0506_0708);
    let expected = sha256(&[b"kith/v1/log", log.as_bytes(), &[1, 2, 3, 4, 5, 6, 7, 8], th.as_bytes()]);
    assert_eq!(digest::log_hash(&log, seq, &th).as_bytes(), &expected);
}

#[test]
fn a_group_is_named_by_what_founds_it() {
    let head = fixtures::head(Kind::Init);
    let Place::Operation { base, at, tree_hash_after } = head.place else { panic!("an operation") };
    let body = head.body.encode();
    let id = sha256(&[
        b"kith/v1/group",
        &1u32.to_be_bytes(),
        &2u32.to_be_bytes(),
        &at.get().to_be_bytes(),
        tree_hash_after.as_bytes(),
        &(body.len() as u64).to_be_bytes(),
        &body,
    ]);
    assert_eq!(head.group.as_bytes(), &id);
    let ctx = sha256(&[b"kith/v1/init-ctx", &1u32.to_be_bytes(), &2u32.to_be_bytes(), &id]);
    assert_eq!(base.as_bytes(), &ctx);
}

#[test]
fn nobody_can_name_a_group_otherwise_or_found_anothers() {
    let good = fixtures::head(Kind::Init);
    assert_eq!(Head::decode(&good.encode()).as_ref(), Ok(&good));
    let Place::Operation { base, at, tree_hash_after } = good.place else { panic!("an operation") };
    let place = |base, at, tree_hash_after| Place::Operation { base, at, tree_hash_after };
    let mut owner = fixtures::init();
    owner.owner = fixtures::key(9);
    let mut nonce = fixtures::init();
    nonce.nonce[31] ^= 1;
    for (what, head) in [
        ("group", Head { group: GroupId::new([1; 32]), ..good.clone() }),
        ("suite", Head { suite: Suite::Aes256Gcm, ..good.clone() }),
        ("owner", Head { body: Body::Init(owner), ..good.clone() }),
        ("nonce", Head { body: Body::Init(nonce), ..good.clone() }),
        ("base", Head { place: place(Ctx::new([1; 32]), at, tree_hash_after), ..good.clone() }),
        (
            "time",
            Head { place: place(base, UnixSeconds::new(at.get() + 1), tree_hash_after), ..good.clone() },
        ),
        ("tree", Head { place: place(base, at, TreeHash::new([1; 32])), ..good }),
    ] {
        assert_eq!(Head::decode(&head.encode()), Err(Refusal::Malformed), "{what}");
    }
}

#[test]
fn policy_and_tickets_are_hashed_field_by_field() {
    let policy = fixtures::policy();
    let expected = sha256(&[
        b"kith/v1/policy",
        policy.params.as_bytes(),
        &policy.max_members.to_be_bytes(),
        &policy.message_retention.to_be_bytes(),
        &policy.operation_retention.to_be_bytes(),
        &policy.invite_ttl.to_be_bytes(),
    ]);
    assert_eq!(policy.hash().as_bytes(), &expected);

    let ticket = |n: u8| Ticket {
        key: fixtures::key(n),
        uses_left: u32::from(n),
        expires: UnixSeconds::new(100 + u64::from(n)),
        issuer: LeafId::new(7),
    };
    let mut input = b"kith/v1/tickets".to_vec();
    input.extend(2u64.to_be_bytes());
    for n in [1u8, 2] {
        input.extend(fixtures::key(n).as_bytes());
        input.extend(u32::from(n).to_be_bytes());
        input.extend((100 + u64::from(n)).to_be_bytes());
        input.extend(7u64.to_be_bytes());
    }
    assert_eq!(digest::tickets_hash([ticket(1), ticket(2)].iter()), sha256(&[&input]));
}

fn ctx_fields() -> CtxFields {
    CtxFields {
        suite: Suite::ChaCha20Poly1305,
        group: GroupId::new([1; 32]),
        epoch: Epoch::new(2),
        at: UnixSeconds::new(3),
        first_clean_epoch: Epoch::new(4),
        closed: true,
        tree_hash: TreeHash::new([5; 32]),
        transcript: Transcript::new([6; 32]),
        owner: fixtures::key(7),
        admin_root: AdminRoot::new([8; 32]),
        policy: PolicyHash::new([9; 32]),
        tickets: [10; 32],
        recovery: RecoveryHash::new([11; 32]),
    }
}

#[test]
fn ctx_is_hashed_field_by_field() {
    let fields = ctx_fields();
    let expected = sha256(&[
        b"kith/v1/ctx",
        &1u32.to_be_bytes(),
        &2u32.to_be_bytes(),
        &[1; 32],
        &2u64.to_be_bytes(),
        &3u64.to_be_bytes(),
        &4u64.to_be_bytes(),
        &[1],
        &[5; 32],
        &[6; 32],
        fixtures::key(7).as_bytes(),
        &[8; 32],
        &[9; 32],
        &[10; 32],
        &[11; 32],
    ]);
    assert_eq!(digest::ctx(&fields).as_bytes(), &expected);
}

#[test]
fn ctx_changes_with_every_field() {
    let same = ctx_fields();
    let others = [
        CtxFields { suite: Suite::Aes256Gcm, ..same },
        CtxFields { group: GroupId::new([0; 32]), ..same },
        CtxFields { epoch: Epoch::new(0), ..same },
        CtxFields { at: UnixSeconds::new(0), ..same },
        CtxFields { first_clean_epoch: Epoch::new(0), ..same },
        CtxFields { closed: false, ..same },
        CtxFields { tree_hash: TreeHash::new([0; 32]), ..same },
        CtxFields { transcript: Transcript::new([0; 32]), ..same },
        CtxFields { owner: fixtures::key(0), ..same },
        CtxFields { admin_root: AdminRoot::new([0; 32]), ..same },
        CtxFields { policy: PolicyHash::new([0; 32]), ..same },
        CtxFields { tickets: [0; 32], ..same },
        CtxFields { recovery: RecoveryHash::new([0; 32]), ..same },
    ];
    let mut seen: Vec<Ctx> = others.iter().map(digest::ctx).collect();
    seen.push(digest::ctx(&same));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 14);
}

#[test]
fn the_external_key_is_told_by_kind() {
    for kind in Kind::ALL {
        let there = [(Kind::Join, 50), (Kind::Rejoin, 51), (Kind::RemoveMembers, 52)];
        let expected = there.iter().find(|(with, _)| with == kind).map(|(_, n)| fixtures::point(*n));
        let external: Option<Point> = fixtures::body(*kind).external().copied();
        assert_eq!(external, expected, "{kind:?}");
    }
}
