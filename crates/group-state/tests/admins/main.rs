//! What admins may do and what nobody may do in their name, with real proofs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    missing_debug_implementations,
    reason = "test helpers"
)]

mod attacks;
mod capability;
#[path = "../life/proving.rs"]
mod proving;
#[path = "../support/mod.rs"]
mod support;
mod unlinkability;

use std::sync::OnceLock;

use chacha20::ChaCha20Rng;
use group_state::Effects;
use proofs::{
    AdminSecret, AdminStatement, AdminTree, Circuit, Control, ProvingKey, prove_admin, setup_development,
};
use protocol::{AdminRoot, Frame, Refusal, body::Body};
use rand_core::SeedableRng;
use support::{Draft, Field, Group, keys};

/// The key of the admin circuit: a second to make.
fn admin_key() -> &'static ProvingKey {
    static KEY: OnceLock<ProvingKey> = OnceLock::new();
    KEY.get_or_init(|| setup_development(Circuit::Admin, |_| {}).unwrap())
}

/// The secrets of all admins and their tree.
struct Admins {
    secrets: Vec<AdminSecret>,
    tree: AdminTree,
}

impl Admins {
    fn draw(seed: u8, count: usize) -> Self {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let secrets: Vec<_> = (0..count).map(|_| AdminSecret::generate(&mut rng)).collect();
        Self::of(secrets)
    }

    fn of(secrets: Vec<AdminSecret>) -> Self {
        let commitments: Vec<_> = secrets.iter().map(AdminSecret::commitment).collect();
        let tree = AdminTree::new(&commitments).unwrap();
        Self { secrets, tree }
    }

    fn root(&self) -> AdminRoot {
        self.tree.root()
    }

    /// The frame with proofs of all its changes, and of one of them that it is an admin under this tree's root.
    fn proven(&self, who: usize, draft: &Draft) -> Frame {
        self.shown(who, draft, proving::proven(draft))
    }

    /// As [`Self::proven`], with proofs of the changes that decode and prove nothing: for what is refused before.
    fn half_proven(&self, who: usize, draft: &Draft) -> Frame {
        self.shown(who, draft, draft.frame().unwrap())
    }

    fn shown(&self, who: usize, draft: &Draft, mut frame: Frame) -> Frame {
        let statement = AdminStatement::new(frame.digest(&draft.ctx), self.root()).unwrap();
        let path = self.tree.path(who).unwrap();
        let mut rng = ChaCha20Rng::from_seed(*frame.hash().as_bytes());
        let control = Control::default();
        let proof = prove_admin(admin_key(), &statement, &self.secrets[who], &path, &control, &mut rng);
        frame.auth.admin_proof = Some(proof.unwrap().to_bytes());
        Frame::decode(&frame.encode().unwrap()).unwrap()
    }
}

/// A group of four: slot 0 is the owner's leaf, 1 and 2 are admins, 3 is none.
fn scene(seed: u64) -> (Group, Admins) {
    let mut group = Group::found(seed);
    for _ in 0..3 {
        group.added(0);
    }
    let admins = Admins::draw(u8::try_from(seed).unwrap(), 2);
    let set = group.plain(Body::SetAdmins(admins.root()));
    group.accept(&set);
    (group, admins)
}

/// The same operation as an admin signs it: nothing of the owner's; a mark is signed with the epoch's key instead.
fn by_admin(group: &Group, draft: &Draft) -> Draft {
    let mut draft = draft.clone().without(Field::Owner);
    if matches!(draft.head.body, Body::MarkRemoved(_)) {
        draft.sign = Some(group.sign_secret());
    }
    draft
}

/// Signatures and proofs and all, nothing taken for granted.
fn offer(group: &Group, frame: &Frame) -> Result<(), Refusal> {
    group.state.apply(frame, keys())?.verify(keys()).map(|_| ())
}

fn accept(group: &mut Group, frame: &Frame) -> Effects {
    let accepted = group.state.apply(frame, keys()).unwrap().verify(keys()).unwrap();
    accepted.state.tree().audit().unwrap();
    group.state = accepted.state;
    accepted.effects
}
