//! A group of one.

use anyhow::{Context as _, Result};
use curve::{TreeSecret, schnorr};
use group_state::{
    GroupState,
    author::{Founding, found, message_head},
};
use proofs::{Control, ProvingKey, VerifyingKeys, prove};
use protocol::{
    Frame, FrameId, GroupId, SigningKey, Suite,
    body::Policy,
    digest::{self, Role},
};
use rand_core::{Rng as _, UnwrapErr};
use service_kit::clock::Clock as _;

/// Bytes of a sealed part: a short text in its smallest bucket.
const SEALED: usize = 296;

/// A group of one, whose messages are signed as members sign them; their content is noise, which no node can tell.
#[derive(Debug)]
pub struct Club {
    /// Its id.
    pub id: GroupId,
    /// The frame that founds it.
    pub init: Vec<u8>,
    state: GroupState,
    pub(crate) sign: TreeSecret,
}

impl Club {
    /// Founds a group, which takes one proof of the smallest tier under `key`.
    ///
    /// # Errors
    /// The machine has no randomness, or the frame is refused.
    pub fn found(key: &ProvingKey) -> Result<Self> {
        let mut rng = UnwrapErr(getrandom::SysRng);
        let keys = VerifyingKeys::development();
        let (owner, sig) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
        let secret = TreeSecret::generate(&mut rng);
        let policy = Policy {
            params: keys.params_hash(),
            max_members: 100,
            message_retention: 0,
            operation_retention: 0,
            invite_ttl: 3600,
        };
        let founding = Founding {
            suite: Suite::Aes256Gcm,
            nonce: random(),
            owner: owner.verifying_key(),
            policy,
            sig: sig.verifying_key(),
            secret: secret.clone(),
            at: service_kit::clock::SystemClock.now(),
        };
        let authored = found(founding, FrameId::new(random()))?;
        let mut frame = authored.frame(vec![7; 528]);
        let base = digest::ctx_before_init(Suite::Aes256Gcm, &authored.head.group);
        let d = frame.digest(&base);
        frame.auth.leaf = Some(sig.sign(&Role::Leaf.message(&d)));
        frame.auth.owner = Some(owner.sign(&Role::Owner.message(&d)));
        for witness in &authored.witnesses {
            let proof = prove(key, &witness.statement(&d)?, &witness.secret, &Control::default(), &mut rng)?;
            frame.proofs.push(proof.to_bytes());
        }
        let state = GroupState::create(&frame, keys)?.verify(keys)?.state;
        let init = frame.encode().context("the frame is whole")?;
        let sign = secret.dh(&curve::Point::sign_base()).derive();
        Ok(Self { id: state.group(), init, state, sign })
    }

    /// A new message of 296 sealed bytes, as it goes over the wire.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn message(&self) -> Result<Vec<u8>> {
        let mut rng = UnwrapErr(getrandom::SysRng);
        let mut sealed = vec![0; SEALED];
        rng.fill_bytes(&mut sealed);
        let head = message_head(self.state.suite(), self.id, self.state.epoch(), FrameId::new(random()));
        let mut frame = Frame::unsigned(head, sealed);
        let d = frame.digest(&self.state.ctx());
        frame.auth.sign = Some(schnorr::sign(&self.sign, d.as_bytes(), &mut rng));
        frame.encode().context("the frame is whole")
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    UnwrapErr(getrandom::SysRng).fill_bytes(&mut bytes);
    bytes
}
