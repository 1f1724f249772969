//! Frames with proofs that hold, and frames as good in everything but their proofs.

use anyhow::{Context as _, Result};
use curve::TreeSecret;
use group_state::{
    GroupState,
    author::{Author, Authored, Founding, found},
};
use proofs::{Control, ProvingKey, VerifyingKeys, prove};
use protocol::{
    Frame, FrameId, GroupId, SigningKey, Slot, Suite, body::Policy, digest::Role, frame::ProofBytes,
    head::Place,
};
use rand_core::{CryptoRng, Rng as _, UnwrapErr};
use ratchet_tree::Capacity;
use service_kit::clock::Clock as _;

/// Sealed bytes of an operation, as a client's smallest payload has.
const SEALED: usize = 296;

/// Something to send.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) group: GroupId,
    pub(crate) frame: Vec<u8>,
}

/// A group of one.
pub(crate) struct Group {
    state: GroupState,
    sig: SigningKey,
    /// A proof that holds, for something else.
    proof: ProofBytes,
    pub(crate) init: Post,
}

fn rng() -> impl CryptoRng {
    UnwrapErr(getrandom::SysRng)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rng().fill_bytes(&mut bytes);
    bytes
}

fn signed(authored: &Authored, sealed: Vec<u8>, signers: &[(Role, &SigningKey)]) -> Result<Frame> {
    let mut frame = authored.frame(sealed);
    let Place::Operation { base, .. } = frame.head().place else { anyhow::bail!("no operation") };
    let digest = frame.digest(&base);
    for (role, key) in signers {
        let signature = Some(key.sign(&role.message(&digest)));
        if *role == Role::Owner {
            frame.auth.owner = signature;
        } else {
            frame.auth.leaf = signature;
        }
    }
    Ok(frame)
}

fn proven(key: &ProvingKey, authored: &Authored, mut frame: Frame) -> Result<Frame> {
    let Place::Operation { base, .. } = frame.head().place else { anyhow::bail!("no operation") };
    let digest = frame.digest(&base);
    for witness in &authored.witnesses {
        let statement = witness.statement(&digest)?;
        let proof = prove(key, &statement, &witness.secret, &Control::default(), &mut rng())?;
        frame.proofs.push(proof.to_bytes());
    }
    Ok(frame)
}

fn post(frame: &Frame) -> Result<Post> {
    Ok(Post { group: frame.head().group, frame: frame.encode().context("the frame is whole")? })
}

/// An Init with everything but its proof, and the key of its only leaf.
fn founding() -> Result<(Authored, Frame, SigningKey)> {
    let (owner, sig) = (SigningKey::generate(&mut rng()), SigningKey::generate(&mut rng()));
    let policy = Policy {
        params: VerifyingKeys::development().params_hash(),
        max_members: 100,
        message_retention: 0,
        operation_retention: 0,
        invite_ttl: 3_600,
    };
    let founding = Founding {
        suite: Suite::Aes256Gcm,
        nonce: random(),
        owner: owner.verifying_key(),
        policy,
        sig: sig.verifying_key(),
        secret: TreeSecret::generate(&mut rng()),
        at: service_kit::clock::SystemClock.now(),
    };
    let authored = found(founding, FrameId::new(random()))?;
    let frame = signed(&authored, vec![7; 528], &[(Role::Leaf, &sig), (Role::Owner, &owner)])?;
    Ok((authored, frame, sig))
}

impl Group {
    pub(crate) fn found(key: &ProvingKey) -> Result<Self> {
        let (authored, frame, sig) = founding()?;
        let frame = proven(key, &authored, frame)?;
        let keys = VerifyingKeys::development();
        let state = GroupState::create(&frame, keys)?.verify(keys)?.state;
        let proof = frame.proofs.first().copied().context("an Init has a proof")?;
        Ok(Self { state, sig, proof, init: post(&frame)? })
    }

    fn authored(&self) -> Result<(Authored, Frame)> {
        let capacity = Capacity::from_depth(7).context("a depth that exists")?;
        let now = service_kit::clock::SystemClock.now();
        let author = Author::new(&self.state, now, FrameId::new(random()), capacity)?;
        let authored = author.update_key(Slot::ZERO, TreeSecret::generate(&mut rng()), None)?;
        let frame = signed(&authored, vec![7; SEALED], &[(Role::Leaf, &self.sig)])?;
        Ok((authored, frame))
    }

    /// The next key update of the only member.
    pub(crate) fn update(&mut self, key: &ProvingKey) -> Result<Post> {
        let (authored, frame) = self.authored()?;
        let frame = proven(key, &authored, frame)?;
        let keys = VerifyingKeys::development();
        self.state = self.state.apply(&frame, keys)?.verify(keys)?.state;
        post(&frame)
    }

    /// A key update whose proof is one, but not of this update.
    pub(crate) fn bad_update(&self) -> Result<Post> {
        let (_, mut frame) = self.authored()?;
        frame.proofs.push(self.proof);
        post(&frame)
    }

    /// An Init of another group with this one's proof.
    pub(crate) fn bad_init(&self) -> Result<Post> {
        let (_, mut frame, _) = founding()?;
        frame.proofs.push(self.proof);
        post(&frame)
    }
}
