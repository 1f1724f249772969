//! A group seen from its members' side: every key is at hand, frames are made as a client makes them.

use chacha20::ChaCha20Rng;
use curve::{Point, TreeSecret, schnorr};
use group_state::{
    GroupState,
    author::{self, Author, Authored, Founding, Invitee, Own},
};
use proofs::{Control, VerifyingKeys, prove};
use protocol::{
    Frame, FrameId, GroupId, LeafId, SigningKey, Slot, Suite, UnixSeconds, VerifyingKey,
    body::{Body, IssueTicket, Marks, Policy},
    digest::Role,
    head::Place,
};
use rand_core::{Rng, SeedableRng};
use ratchet_tree::{Capacity, PathSecrets};

use super::prover;

/// Where the clocks of node and club stand at the beginning, in seconds.
pub const START: u64 = 1_700_000_000;
/// A day, in seconds.
pub const DAY: u64 = 24 * 3_600;

/// One device.
#[derive(Clone)]
pub struct Member {
    pub slot: Slot,
    pub leaf_id: LeafId,
    pub secret: TreeSecret,
    pub sig: SigningKey,
}

/// A frame that was made, and what its members remember once it is accepted.
#[derive(Clone)]
pub struct Made {
    pub frame: Frame,
    pub bytes: Vec<u8>,
    then: Vec<Then>,
}

#[derive(Clone)]
enum Then {
    Secret(Slot, TreeSecret),
    Member(Box<Member>),
    Gone(Slot),
}

impl Made {
    pub fn group(&self) -> GroupId {
        self.frame.head().group
    }

    /// The same frame after `change`, which is not signed anew.
    pub fn changed(&self, change: impl FnOnce(&mut Frame)) -> Self {
        let mut frame = self.frame.clone();
        change(&mut frame);
        Self { bytes: frame.encode().unwrap(), frame, then: self.then.clone() }
    }
}

/// The members of a group and the state they all have.
pub struct Club {
    pub state: GroupState,
    pub owner: SigningKey,
    pub members: Vec<Member>,
    pub rng: ChaCha20Rng,
    /// The members' clock, in seconds.
    pub now: u64,
    /// Every frame accepted, by position.
    pub log: Vec<Frame>,
}

pub fn keys() -> &'static VerifyingKeys {
    VerifyingKeys::development()
}

pub fn policy() -> Policy {
    Policy {
        params: keys().params_hash(),
        max_members: 100,
        message_retention: 30 * DAY,
        operation_retention: 90 * DAY,
        invite_ttl: 7 * DAY,
    }
}

impl Club {
    /// Founds a group; the Init has yet to be sent.
    pub fn found(seed: u8) -> (Self, Made) {
        Self::found_with(seed, policy())
    }

    /// As [`Self::found`], by a clock that shows `now`.
    pub fn found_at(seed: u8, now: u64) -> (Self, Made) {
        Self::founded(seed, policy(), now)
    }

    pub fn found_with(seed: u8, policy: Policy) -> (Self, Made) {
        Self::founded(seed, policy, START)
    }

    fn founded(seed: u8, policy: Policy, now: u64) -> (Self, Made) {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let (owner, sig) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
        let secret = TreeSecret::generate(&mut rng);
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let founding = Founding {
            suite: Suite::ChaCha20Poly1305,
            nonce,
            owner: owner.verifying_key(),
            policy,
            sig: sig.verifying_key(),
            secret: secret.clone(),
            at: UnixSeconds::new(now),
        };
        let authored = author::found(founding, frame_id(&mut rng)).unwrap();
        let frame = sign(authored, Vec::new(), &[(Role::Leaf, &sig), (Role::Owner, &owner)], &mut rng);
        let state = GroupState::create(&frame, keys()).unwrap().verify(keys()).unwrap().state;
        let founder = Member { slot: Slot::ZERO, leaf_id: LeafId::ZERO, secret, sig };
        let club = Self { state, owner, members: vec![founder], rng, now, log: vec![frame.clone()] };
        let bytes = frame.encode().unwrap();
        (club, Made { frame, bytes, then: Vec::new() })
    }

    pub fn group(&self) -> GroupId {
        self.state.group()
    }

    pub fn member(&self, slot: u32) -> &Member {
        self.members.iter().find(|m| m.slot == Slot::new(slot)).unwrap()
    }

    /// What all members do once a frame is accepted.
    pub fn apply(&mut self, made: &Made) {
        self.state = self.state.apply(&made.frame, keys()).unwrap().verify(keys()).unwrap().state;
        self.log.push(made.frame.clone());
        for then in &made.then {
            match then {
                Then::Secret(slot, secret) => {
                    let member = self.members.iter_mut().find(|m| m.slot == *slot).unwrap();
                    member.secret = secret.clone();
                }
                Then::Member(member) => self.members.push(Member::clone(member)),
                Then::Gone(slot) => self.members.retain(|m| m.slot != *slot),
            }
        }
    }

    fn author(&mut self) -> (GroupState, UnixSeconds, FrameId) {
        (self.state.clone(), UnixSeconds::new(self.now), frame_id(&mut self.rng))
    }

    /// Fresh secret, as an active leaf or as an invitee who joins by it.
    pub fn update(&mut self, slot: u32) -> Made {
        let (state, at, id) = self.author();
        let secret = TreeSecret::generate(&mut self.rng);
        let author = Author::new(&state, at, id, capacity()).unwrap();
        let authored = author.update_key(Slot::new(slot), secret.clone(), None).unwrap();
        let sig = self.member(slot).sig.clone();
        self.made(
            authored,
            b"sealed".to_vec(),
            &[(Role::Leaf, &sig)],
            vec![Then::Secret(Slot::new(slot), secret)],
        )
    }

    /// Adds one member by name; it is invited.
    pub fn add(&mut self, doer: u32) -> Made {
        let (state, at, id) = self.author();
        let (sig, secret) = (SigningKey::generate(&mut self.rng), TreeSecret::generate(&mut self.rng));
        let invitee =
            Invitee { secret: secret.clone(), sig: sig.verifying_key(), expires: at.saturating_add(2 * DAY) };
        let leaf_id = state.tree().next_leaf_id();
        let author = Author::new(&state, at, id, capacity()).unwrap();
        let authored = author.add_members(Slot::new(doer), vec![invitee]).unwrap();
        let slot = match &authored.head.body {
            Body::AddMembers(body) => body.added[0].change.slot,
            other => panic!("{other:?}"),
        };
        let doer = self.member(doer).sig.clone();
        let owner = self.owner.clone();
        let then = vec![Then::Member(Box::new(Member { slot, leaf_id, secret, sig }))];
        self.made(authored, b"sealed".to_vec(), &[(Role::Leaf, &doer), (Role::Owner, &owner)], then)
    }

    /// Opens a ticket.
    pub fn ticket(&mut self, doer: u32, uses: u32) -> (Made, SigningKey) {
        let (state, at, id) = self.author();
        let ticket = SigningKey::generate(&mut self.rng);
        let body = IssueTicket {
            doer: Slot::new(doer),
            ticket: ticket.verifying_key(),
            uses,
            expires: at.saturating_add(DAY),
        };
        let authored = Author::new(&state, at, id, capacity()).unwrap().plain(Body::IssueTicket(body));
        let (doer, owner) = (self.member(doer).sig.clone(), self.owner.clone());
        let made = self.made(
            authored,
            b"sealed".to_vec(),
            &[(Role::Leaf, &doer), (Role::Owner, &owner)],
            Vec::new(),
        );
        (made, ticket)
    }

    /// Somebody joins by a ticket.
    pub fn join(&mut self, ticket: &SigningKey) -> Made {
        let (state, at, id) = self.author();
        let (sig, secret) = (SigningKey::generate(&mut self.rng), TreeSecret::generate(&mut self.rng));
        let external = TreeSecret::generate(&mut self.rng).public();
        let leaf_id = state.tree().next_leaf_id();
        let author = Author::new(&state, at, id, capacity()).unwrap();
        let joined =
            author.join(ticket.verifying_key(), secret.clone(), sig.verifying_key(), external).unwrap();
        let slot = match &joined.head.body {
            Body::Join(body) => body.change.slot,
            other => panic!("{other:?}"),
        };
        let new = sig.clone();
        let then = vec![Then::Member(Box::new(Member { slot, leaf_id, secret, sig }))];
        self.made(joined, b"sealed".to_vec(), &[(Role::Ticket, ticket), (Role::NewLeaf, &new)], then)
    }

    /// The owner marks a leaf; it stays dirty.
    pub fn mark(&mut self, slot: u32) -> Made {
        let (state, at, id) = self.author();
        let marks = Marks { slots: vec![Slot::new(slot)], admin_root: None };
        let authored = Author::new(&state, at, id, capacity()).unwrap().mark_removed(marks).unwrap();
        let owner = self.owner.clone();
        self.made(authored, Vec::new(), &[(Role::Owner, &owner)], vec![Then::Gone(Slot::new(slot))])
    }

    /// The same without the owner, as any member could send it who pretends to be an admin: the proof is of something
    /// else.
    pub fn forged_mark(&mut self, slot: u32) -> Made {
        let (secret, base) = (self.sign_secret(), self.state.ctx());
        let proof = self.update(0).frame.proofs.first().copied();
        let mut made = self.mark(slot);
        let digest = made.frame.digest(&base);
        made.frame.auth.owner = None;
        made.frame.auth.sign = Some(schnorr::sign(&secret, digest.as_bytes(), &mut self.rng));
        made.frame.auth.admin_proof = proof;
        made.bytes = made.frame.encode().unwrap();
        made
    }

    /// An active leaf heals what is dirty.
    pub fn heal(&mut self, doer: u32) -> Made {
        let (state, at, id) = self.author();
        let rng = &mut self.rng;
        let author = Author::new(&state, at, id, capacity()).unwrap();
        let authored = author.heal(Slot::new(doer), None, Own::Keep, || TreeSecret::generate(rng)).unwrap();
        let doer = self.member(doer).sig.clone();
        self.made(authored, b"sealed".to_vec(), &[(Role::Leaf, &doer)], Vec::new())
    }

    /// Removes a leaf in one step.
    pub fn remove(&mut self, doer: u32, slot: u32) -> Made {
        let (state, at, id) = self.author();
        let rng = &mut self.rng;
        let marks = Marks { slots: vec![Slot::new(slot)], admin_root: None };
        let author = Author::new(&state, at, id, capacity()).unwrap();
        let authored =
            author.heal(Slot::new(doer), Some(marks), Own::Keep, || TreeSecret::generate(rng)).unwrap();
        let (doer, owner) = (self.member(doer).sig.clone(), self.owner.clone());
        let then = vec![Then::Gone(Slot::new(slot))];
        self.made(authored, b"sealed".to_vec(), &[(Role::Leaf, &doer), (Role::Owner, &owner)], then)
    }

    /// An operation of the owner's that leaves the tree alone.
    pub fn plain(&mut self, body: Body) -> Made {
        let (state, at, id) = self.author();
        let authored = Author::new(&state, at, id, capacity()).unwrap().plain(body);
        let owner = self.owner.clone();
        self.made(authored, Vec::new(), &[(Role::Owner, &owner)], Vec::new())
    }

    /// A message of the current epoch.
    pub fn message(&mut self, content: &[u8]) -> Made {
        let sign = self.sign_secret();
        let epoch = self.state.message_epochs().last().copied().unwrap();
        self.message_of(&sign, &epoch, content)
    }

    /// A message of some epoch, signed with its key.
    pub fn message_of(
        &mut self,
        sign: &TreeSecret,
        epoch: &group_state::MessageEpoch,
        content: &[u8],
    ) -> Made {
        let id = frame_id(&mut self.rng);
        let head = author::message_head(self.state.suite(), self.group(), epoch.epoch, id);
        let mut frame = Frame::unsigned(head, content.to_vec());
        let digest = frame.digest(&epoch.ctx);
        frame.auth.sign = Some(schnorr::sign(sign, digest.as_bytes(), &mut self.rng));
        Made { bytes: frame.encode().unwrap(), frame, then: Vec::new() }
    }

    /// The signing secret of the current epoch, as any member derives it.
    pub fn sign_secret(&self) -> TreeSecret {
        let tree = self.state.tree();
        let member = self.members.iter().find(|m| tree.leaf(m.slot).live().is_some()).unwrap();
        PathSecrets::derive(tree, member.slot, &member.secret).unwrap().sign().clone()
    }

    fn made(
        &mut self,
        authored: Authored,
        sealed: Vec<u8>,
        signers: &[(Role, &SigningKey)],
        then: Vec<Then>,
    ) -> Made {
        let frame = sign(authored, sealed, signers, &mut self.rng);
        Made { bytes: frame.encode().unwrap(), frame, then }
    }

    /// The public key of some tree secret: for bodies that need a point.
    pub fn point(&mut self) -> Point {
        TreeSecret::generate(&mut self.rng).public()
    }
}

pub fn capacity() -> Capacity {
    Capacity::from_depth(7).unwrap()
}

pub fn frame_id(rng: &mut ChaCha20Rng) -> FrameId {
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    FrameId::new(id)
}

/// Signs and proves.
pub fn sign(
    authored: Authored,
    sealed: Vec<u8>,
    signers: &[(Role, &SigningKey)],
    rng: &mut ChaCha20Rng,
) -> Frame {
    let mut frame = authored.frame(sealed);
    let Place::Operation { base, .. } = frame.head().place else { panic!("an operation") };
    let digest = frame.digest(&base);
    for (role, key) in signers {
        let signature = Some(key.sign(&role.message(&digest)));
        match role {
            Role::Leaf => frame.auth.leaf = signature,
            Role::NewLeaf => frame.auth.new_leaf = signature,
            Role::Owner => frame.auth.owner = signature,
            Role::NewOwner => frame.auth.new_owner = signature,
            Role::Ticket => frame.auth.ticket = signature,
        }
    }
    for witness in &authored.witnesses {
        let statement = witness.statement(&digest).unwrap();
        let proof = prove(prover::key(), &statement, &witness.secret, &Control::default(), rng).unwrap();
        frame.proofs.push(proof.to_bytes());
    }
    frame
}

/// A key nobody in the group has.
pub fn stranger() -> (SigningKey, VerifyingKey) {
    let key = SigningKey::from_seed(&[0xee; 32]);
    let public = key.verifying_key();
    (key, public)
}
