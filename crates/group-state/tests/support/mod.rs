//! A group whose members do what a test asks of them: every key is kept, so that anybody can act, rightly or wrongly.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{collections::HashMap, rc::Rc};

use chacha20::ChaCha20Rng;
use curve::{Point, TreeSecret, schnorr};
use group_state::{
    Accepted, Effects, GroupState, Proposed,
    author::{self, Author, Authored, Founding, Invitee, Own, Witness},
};
use proofs::{DevelopmentKey, VerifyingKeys};
use protocol::{
    Ctx, Epoch, Frame, FrameId, Head, Kind, LeafId, Refusal, SigningKey, Slot, Suite, TreeHash, UnixSeconds,
    VerifyingKey,
    body::{Body, Change, Marks, OwnChange, Policy},
    digest::Role,
    frame::ProofBytes,
    head::Place,
};
use rand_core::{Rng, SeedableRng};
use ratchet_tree::{Capacity, Leaf, LiveLeaf, PathSecrets, Status};

pub const START: u64 = 1_700_000_000;
pub const DAY: u64 = 24 * 3600;

pub fn keys() -> &'static VerifyingKeys {
    VerifyingKeys::development()
}

pub fn slot(n: u32) -> Slot {
    Slot::new(n)
}

pub fn max_capacity() -> Capacity {
    Capacity::from_depth(19).unwrap()
}

/// Bytes that decode as a proof and prove nothing: points of the verifying key.
pub fn no_proof() -> ProofBytes {
    let key = DevelopmentKey::of(proofs::Tier::T8.into()).unwrap().verifying_key;
    let (alpha, beta) = (&key[..32], &key[32..96]);
    [alpha, beta, alpha].concat().try_into().unwrap()
}

pub fn policy() -> Policy {
    Policy {
        params: keys().params_hash(),
        max_members: 1_000,
        message_retention: 30 * DAY,
        operation_retention: 90 * DAY,
        invite_ttl: 7 * DAY,
    }
}

/// One field of an authorisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Leaf,
    NewLeaf,
    Owner,
    NewOwner,
    Ticket,
    Sign,
    AdminProof,
}

pub const FIELDS: [Field; 7] = [
    Field::Leaf,
    Field::NewLeaf,
    Field::Owner,
    Field::NewOwner,
    Field::Ticket,
    Field::Sign,
    Field::AdminProof,
];

impl Field {
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Leaf => Some(Role::Leaf),
            Self::NewLeaf => Some(Role::NewLeaf),
            Self::Owner => Some(Role::Owner),
            Self::NewOwner => Some(Role::NewOwner),
            Self::Ticket => Some(Role::Ticket),
            Self::Sign | Self::AdminProof => None,
        }
    }
}

/// The secret keys of everybody, by what is public of them.
#[derive(Clone, Default)]
pub struct Ring {
    signing: HashMap<VerifyingKey, SigningKey>,
    tree: HashMap<[u8; 32], TreeSecret>,
}

/// A frame before it is signed. Every part of it may be changed; [`Draft::frame`] signs what is there then.
#[derive(Clone)]
pub struct Draft {
    pub head: Head,
    pub sealed: Vec<u8>,
    /// Who signs in which role, with the role whose message is signed.
    pub signers: Vec<(Field, SigningKey, Role)>,
    pub sign: Option<TreeSecret>,
    pub admin_proof: bool,
    /// ctx the digest is under.
    pub ctx: Ctx,
    pub proofs: usize,
    pub witnesses: Rc<Vec<Witness>>,
}

impl Draft {
    pub fn body(&mut self) -> &mut Body {
        &mut self.head.body
    }

    pub fn kind(&self) -> Kind {
        self.head.kind()
    }

    /// Base, time and hash of an operation.
    pub fn place(&mut self) -> (&mut Ctx, &mut UnixSeconds, &mut TreeHash) {
        match &mut self.head.place {
            Place::Operation { base, at, tree_hash_after } => (base, at, tree_hash_after),
            Place::Message { .. } => panic!("a message has no base"),
        }
    }

    /// The branch changes in their order.
    pub fn changes(&mut self) -> Vec<&mut Change> {
        match &mut self.head.body {
            Body::AddMembers(b) => b.added.iter_mut().map(|added| &mut added.change).collect(),
            Body::UpdateKey(b) => vec![&mut b.change],
            Body::Join(b) => vec![&mut b.change],
            Body::Rejoin(b) => vec![&mut b.change],
            Body::Heal(b) | Body::RemoveMembers(b) => {
                let own = match &mut b.own {
                    OwnChange::None => None,
                    OwnChange::Update(update) => Some(&mut update.change),
                    OwnChange::Rejoin(rejoin) => Some(&mut rejoin.change),
                };
                own.into_iter().chain(&mut b.changes).collect()
            }
            _ => Vec::new(),
        }
    }

    pub fn has(&self, field: Field) -> bool {
        match field {
            Field::Sign => self.sign.is_some(),
            Field::AdminProof => self.admin_proof,
            other => self.signers.iter().any(|(field, ..)| *field == other),
        }
    }

    pub fn without(mut self, field: Field) -> Self {
        match field {
            Field::Sign => self.sign = None,
            Field::AdminProof => self.admin_proof = false,
            other => self.signers.retain(|(field, ..)| *field != other),
        }
        self
    }

    pub fn with(mut self, field: Field, signer: SigningKey) -> Self {
        let role = field.role().expect("a field with an Ed25519 signature");
        self.signers.retain(|(other, ..)| *other != field);
        self.signers.push((field, signer, role));
        self
    }

    /// The signed frame as whoever receives it has it, with proofs that decode and prove nothing.
    pub fn frame(&self) -> Result<Frame, Refusal> {
        let mut frame = Frame::unsigned(self.head.clone(), self.sealed.clone());
        let digest = frame.digest(&self.ctx);
        for (field, signer, role) in &self.signers {
            let signature = Some(signer.sign(&role.message(&digest)));
            let auth = &mut frame.auth;
            match field {
                Field::Leaf => auth.leaf = signature,
                Field::NewLeaf => auth.new_leaf = signature,
                Field::Owner => auth.owner = signature,
                Field::NewOwner => auth.new_owner = signature,
                Field::Ticket => auth.ticket = signature,
                Field::Sign | Field::AdminProof => panic!("no Ed25519 signature"),
            }
        }
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        frame.auth.sign = self.sign.as_ref().map(|secret| schnorr::sign(secret, digest.as_bytes(), &mut rng));
        frame.auth.admin_proof = self.admin_proof.then(no_proof);
        frame.proofs = vec![no_proof(); self.proofs];
        Frame::decode(&frame.encode().unwrap())
    }

    /// The secret of the nth branch change.
    pub fn secret(&self, n: usize) -> TreeSecret {
        self.witnesses[n].secret.clone()
    }
}

/// The group and everybody's keys.
pub struct Group {
    pub state: GroupState,
    pub rng: ChaCha20Rng,
    /// Time of the next operation.
    pub now: u64,
    ring: Ring,
}

/// The same group for another test, with randomness that follows from its state.
impl Clone for Group {
    fn clone(&self) -> Self {
        let rng = ChaCha20Rng::from_seed(*self.state.ctx().as_bytes());
        Self { state: self.state.clone(), rng, now: self.now, ring: self.ring.clone() }
    }
}

impl Group {
    /// A group of one: its creator in slot 0.
    pub fn found(seed: u64) -> Self {
        Self::found_with(seed, policy())
    }

    pub fn found_with(seed: u64, policy: Policy) -> Self {
        let (draft, ring, rng) = init(seed, policy);
        let state = create(&draft).unwrap().state;
        Self { state, rng, now: START, ring }
    }

    pub fn of(state: GroupState, ring: Ring, rng: ChaCha20Rng) -> Self {
        Self { state, rng, now: START, ring }
    }

    pub fn fresh_secret(&mut self) -> TreeSecret {
        let secret = TreeSecret::generate(&mut self.rng);
        self.ring.tree.insert(secret.public().to_bytes(), secret.clone());
        secret
    }

    pub fn fresh_signer(&mut self) -> SigningKey {
        let signer = SigningKey::generate(&mut self.rng);
        self.ring.signing.insert(signer.verifying_key(), signer.clone());
        signer
    }

    pub fn fresh_key(&mut self) -> VerifyingKey {
        self.fresh_signer().verifying_key()
    }

    pub fn frame_id(&mut self) -> FrameId {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        FrameId::new(id)
    }

    pub fn signer(&self, key: &VerifyingKey) -> SigningKey {
        self.ring.signing.get(key).expect("a key made here").clone()
    }

    pub fn tree_secret(&self, key: &Point) -> TreeSecret {
        self.ring.tree.get(key.as_bytes()).expect("a tree key made here").clone()
    }

    pub fn owner(&self) -> SigningKey {
        self.signer(&self.state.owner())
    }

    pub fn leaf(&self, at: u32) -> &Leaf {
        self.state.tree().leaf(slot(at))
    }

    pub fn live(&self, at: u32) -> LiveLeaf {
        *self.leaf(at).live().expect("a live leaf")
    }

    pub fn leaf_signer(&self, at: u32) -> SigningKey {
        self.signer(&self.live(at).sig)
    }

    pub fn leaf_id(&self, at: u32) -> LeafId {
        self.live(at).leaf_id
    }

    /// Everything a live leaf knows of the tree.
    pub fn path(&self, at: u32) -> PathSecrets {
        let secret = self.tree_secret(&self.live(at).dh);
        PathSecrets::derive(self.state.tree(), slot(at), &secret).unwrap()
    }

    pub fn sign_secret(&self) -> TreeSecret {
        self.known_sign_secret().expect("a tree whose keys follow from its leaves")
    }

    /// `None` after a liar has broken the tree, which without proofs it can.
    pub fn known_sign_secret(&self) -> Option<TreeSecret> {
        if let Some(secret) = self.ring.tree.get(self.state.tree().sign_key().as_bytes()) {
            return Some(secret.clone());
        }
        let (active, leaf) = self.state.tree().leaves().find(|(_, leaf)| leaf.active().is_some())?;
        let secret = self.tree_secret(leaf.dh()?);
        Some(PathSecrets::derive(self.state.tree(), active, &secret).ok()?.sign().clone())
    }

    pub fn author(&mut self) -> (GroupState, UnixSeconds, FrameId) {
        (self.state.clone(), UnixSeconds::new(self.now), self.frame_id())
    }

    /// An operation with everything its kind demands, by the members who have it.
    fn draft(&mut self, make: impl FnOnce(Author<'_>, &mut Self) -> Result<Authored, Refusal>) -> Draft {
        self.attempt(make).unwrap()
    }

    /// As [`Self::draft`], unless the author refuses.
    pub fn attempt(
        &mut self,
        make: impl FnOnce(Author<'_>, &mut Self) -> Result<Authored, Refusal>,
    ) -> Result<Draft, Refusal> {
        let (state, at, frame_id) = self.author();
        let author = Author::new(&state, at, frame_id, max_capacity())?;
        let authored = make(author, self)?;
        let dirty_after = !authored.tree.is_clean();
        let mut draft = self.signed(authored.head);
        let own = match &draft.head.body {
            Body::Heal(b) | Body::RemoveMembers(b) => b.own != OwnChange::None,
            _ => false,
        };
        if dirty_after && !own {
            draft.sealed.clear();
        }
        draft.witnesses = Rc::new(authored.witnesses);
        Ok(draft)
    }

    /// A head with whatever signatures its kind demands.
    pub fn signed(&self, head: Head) -> Draft {
        let mut fields = Vec::new();
        let leaf = head.body.doer().and_then(|slot| self.state.tree().leaf(slot).live());
        let mut leaf_signs = || fields.extend(leaf.map(|leaf| (Field::Leaf, self.signer(&leaf.sig))));
        let owner = (Field::Owner, self.owner());
        let new_leaf = |key: &VerifyingKey| (Field::NewLeaf, self.signer(key));
        match &head.body {
            Body::AddMembers(_) | Body::IssueTicket(_) => {
                leaf_signs();
                fields.push(owner);
            }
            Body::RevokeTicket(b) => {
                leaf_signs();
                let issuer = self.state.ticket(&b.ticket).map(|ticket| ticket.issuer);
                if issuer.is_none() || issuer != leaf.map(|leaf| leaf.leaf_id) {
                    fields.push(owner);
                }
            }
            Body::UpdateKey(b) => {
                leaf_signs();
                fields.extend(b.new_sig.as_ref().map(new_leaf));
            }
            Body::Join(b) => {
                fields.push(new_leaf(&b.sig));
                fields.push((Field::Ticket, self.signer(&b.ticket)));
            }
            Body::Rejoin(_) | Body::Leave(_) | Body::Expire(_) | Body::MarkOwn(_) => leaf_signs(),
            Body::Heal(b) | Body::RemoveMembers(b) => {
                leaf_signs();
                if let OwnChange::Update(update) = &b.own {
                    fields.extend(update.new_sig.as_ref().map(new_leaf));
                }
                if b.marks.is_some() {
                    fields.push(owner);
                }
            }
            Body::MarkRemoved(_) | Body::SetPolicy(_) | Body::SetAdmins(_) | Body::Close => {
                fields.push(owner)
            }
            Body::TransferOwner(key) => {
                fields.push(owner);
                fields.push((Field::NewOwner, self.signer(key)));
            }
            Body::Init(b) => {
                fields.push((Field::Leaf, self.signer(&b.sig)));
                fields.push((Field::Owner, self.signer(&b.owner)));
            }
            Body::Message => {}
        }
        let ctx = match head.place {
            Place::Operation { base, .. } => base,
            Place::Message { .. } => self.state.ctx(),
        };
        let nothing_sealed =
            matches!(head.kind(), Kind::Leave | Kind::MarkRemoved | Kind::Expire | Kind::MarkOwn);
        Draft {
            sealed: if nothing_sealed { Vec::new() } else { vec![0x5e; 32] },
            signers: fields
                .into_iter()
                .map(|(field, signer)| (field, signer, field.role().unwrap()))
                .collect(),
            sign: None,
            admin_proof: false,
            ctx,
            proofs: head.body.change_count(),
            witnesses: Rc::default(),
            head,
        }
    }

    pub fn expires(&self, after: u64) -> UnixSeconds {
        UnixSeconds::new(self.now + after)
    }

    /// Adds as many named invitees, whose invites lapse in a day.
    pub fn add(&mut self, doer: u32, count: usize) -> Draft {
        let expires = self.expires(DAY);
        let invitees = (0..count)
            .map(|_| Invitee { secret: self.fresh_secret(), sig: self.fresh_key(), expires })
            .collect();
        self.draft(|author, _| author.add_members(slot(doer), invitees))
    }

    pub fn update(&mut self, at: u32) -> Draft {
        let secret = self.fresh_secret();
        self.draft(|author, _| author.update_key(slot(at), secret, None))
    }

    pub fn rotate(&mut self, at: u32) -> Draft {
        let (secret, key) = (self.fresh_secret(), self.fresh_key());
        self.draft(|author, _| author.update_key(slot(at), secret, Some(key)))
    }

    /// A ticket of two uses and a day.
    pub fn issue(&mut self, doer: u32) -> (Draft, VerifyingKey) {
        let (ticket, expires) = (self.fresh_key(), self.expires(DAY));
        let body = protocol::body::IssueTicket { doer: slot(doer), ticket, uses: 2, expires };
        (self.plain(Body::IssueTicket(body)), ticket)
    }

    pub fn revoke(&mut self, doer: u32, ticket: VerifyingKey) -> Draft {
        self.plain(Body::RevokeTicket(protocol::body::RevokeTicket { doer: slot(doer), ticket }))
    }

    pub fn join(&mut self, ticket: VerifyingKey) -> Draft {
        let (secret, sig, external) = (self.fresh_secret(), self.fresh_key(), self.fresh_secret().public());
        self.draft(|author, _| author.join(ticket, secret, sig, external))
    }

    pub fn rejoin(&mut self, at: u32) -> Draft {
        let (secret, external) = (self.fresh_secret(), self.fresh_secret().public());
        self.draft(|author, _| author.rejoin(slot(at), secret, external))
    }

    pub fn leave(&mut self, at: u32) -> Draft {
        self.draft(|author, _| author.leave(slot(at)))
    }

    pub fn mark(&mut self, slots: &[u32]) -> Draft {
        let marks = marks(slots);
        self.draft(|author, _| author.mark_removed(marks))
    }

    pub fn expire(&mut self, doer: u32, slots: &[u32]) -> Draft {
        let slots = slots.iter().copied().map(slot).collect();
        self.draft(|author, _| author.expire(slot(doer), slots))
    }

    pub fn mark_own(&mut self, doer: u32, slots: &[u32]) -> Draft {
        let slots = slots.iter().copied().map(slot).collect();
        self.draft(|author, _| author.mark_own(slot(doer), slots))
    }

    pub fn heal(&mut self, doer: u32) -> Draft {
        self.heal_with(doer, None, Own::Keep)
    }

    pub fn remove(&mut self, doer: u32, slots: &[u32]) -> Draft {
        self.heal_with(doer, Some(marks(slots)), Own::Keep)
    }

    pub fn own_update(&mut self) -> Own {
        Own::Update(self.fresh_secret(), None)
    }

    pub fn own_rejoin(&mut self) -> Own {
        let secret = self.fresh_secret();
        Own::Rejoin(secret, self.fresh_secret().public())
    }

    pub fn heal_with(&mut self, doer: u32, marks: Option<Marks>, own: Own) -> Draft {
        self.draft(|author, group| author.heal(slot(doer), marks, own, || group.fresh_secret()))
    }

    /// A Heal or `RemoveMembers` that stops after so many changes, its own included.
    pub fn heal_some(&mut self, doer: u32, marks: Option<Marks>, own: Own, changes: usize) -> Draft {
        let mut draft = self.heal_with(doer, marks.clone(), own);
        let mut tree = self.state.tree().clone();
        if let Some(marks) = &marks {
            tree = tree.mark(&marks.slots).unwrap().0;
        }
        let mut left = changes;
        let leaf_id = self.leaf_id(doer);
        let since = self.state.epoch().next().unwrap();
        let (Body::Heal(heal) | Body::RemoveMembers(heal)) = &mut draft.head.body else { panic!("a heal") };
        let mut apply = |target, change: &Change, leaf| {
            let prepared = tree.prepare(target, max_capacity()).unwrap();
            let keys = ratchet_tree::BranchKeys::new(change.keys.clone()).unwrap();
            tree = prepared.finish(leaf, &keys).unwrap();
        };
        match &heal.own {
            OwnChange::None => {}
            OwnChange::Update(update) => {
                let leaf = ratchet_tree::NewLeaf::Updated { sig: update.new_sig, since };
                apply(ratchet_tree::Target::Existing(slot(doer)), &update.change, leaf);
                left -= 1;
            }
            OwnChange::Rejoin(rejoin) => {
                let leaf = ratchet_tree::NewLeaf::Rejoined { since };
                apply(ratchet_tree::Target::Existing(slot(doer)), &rejoin.change, leaf);
                left -= 1;
            }
        }
        heal.changes.truncate(left);
        for change in &heal.changes {
            let leaf = ratchet_tree::NewLeaf::Healed { keyed_by: leaf_id };
            apply(ratchet_tree::Target::LowestDirty, change, leaf);
        }
        let own = heal.own != OwnChange::None;
        draft.proofs = draft.head.body.change_count();
        if !tree.is_clean() && !own {
            draft.sealed.clear();
        }
        *draft.place().2 = tree.hash();
        draft
    }

    /// An operation that leaves the tree alone.
    pub fn plain(&mut self, body: Body) -> Draft {
        let clean = self.state.is_clean();
        let (state, at, frame_id) = self.author();
        let authored = Author::new(&state, at, frame_id, max_capacity()).unwrap().plain(body);
        let mut draft = self.signed(authored.head);
        if !clean {
            draft.sealed.clear();
        }
        draft
    }

    /// A frame of any body with the base of this state, whether its kind allows it or not.
    pub fn raw(&mut self, body: Body) -> Draft {
        let place = Place::Operation {
            base: self.state.ctx(),
            at: UnixSeconds::new(self.now),
            tree_hash_after: self.state.tree().hash(),
        };
        let head = Head {
            suite: self.state.suite(),
            group: self.state.group(),
            frame_id: self.frame_id(),
            place,
            body,
        };
        self.signed(head)
    }

    pub fn message(&mut self) -> Draft {
        let epoch = self.state.epoch();
        let (ctx, secret) = (self.state.ctx(), self.sign_secret());
        self.message_of(epoch, ctx, secret)
    }

    pub fn message_of(&mut self, epoch: Epoch, ctx: Ctx, secret: TreeSecret) -> Draft {
        let head = author::message_head(self.state.suite(), self.state.group(), epoch, self.frame_id());
        Draft { sign: Some(secret), ctx, ..self.signed(head) }
    }

    /// What the draft leads to.
    pub fn offer(&self, draft: &Draft) -> Result<Accepted, Refusal> {
        let frame = draft.frame()?;
        self.state.apply(&frame, keys()).map(Proposed::without_proofs)
    }

    /// Goes on from what the draft leads to.
    #[track_caller]
    pub fn accept(&mut self, draft: &Draft) -> Effects {
        match self.offer(draft) {
            Ok(Accepted { state, effects }) => {
                state.tree().audit().unwrap();
                self.state = state;
                effects
            }
            Err(refusal) => panic!("{:?} refused: {refusal}", draft.kind()),
        }
    }

    /// The draft is refused with this code, and everything is as it was.
    #[track_caller]
    pub fn refuse(&self, what: &str, draft: &Draft, expected: Refusal) {
        let before = self.state.to_bytes();
        let outcome = self.offer(draft).map(|accepted| accepted.state.epoch());
        assert_eq!(outcome, Err(expected), "{what}");
        assert_eq!(self.state.to_bytes(), before, "{what}: the state is another one");
    }

    /// A member by ticket; gives its slot.
    pub fn joined(&mut self, doer: u32) -> u32 {
        let (issue, ticket) = self.issue(doer);
        self.accept(&issue);
        let join = self.join(ticket);
        let (slot, _) = self.accept(&join).joined.unwrap();
        let revoke = self.revoke(doer, ticket);
        self.accept(&revoke);
        slot.get()
    }

    /// A named member: added, then joined by its first update; gives its slot.
    pub fn added(&mut self, doer: u32) -> u32 {
        let add = self.add(doer, 1);
        let (at, _) = self.accept(&add).added[0];
        let update = self.update(at.get());
        self.accept(&update);
        at.get()
    }

    pub fn row(&self) -> String {
        let capacity = self.state.tree().capacity().get();
        (0..capacity)
            .map(|at| match self.leaf(at) {
                Leaf::Empty => '-',
                Leaf::Live(LiveLeaf { status: Status::Active, .. }) => 'A',
                Leaf::Live(_) => 'I',
                Leaf::Vacant { .. } => 'V',
                Leaf::Dirty { .. } => 'D',
            })
            .collect()
    }
}

/// The first frame of a group, and the keys of its founder.
pub fn init(seed: u64, policy: Policy) -> (Draft, Ring, ChaCha20Rng) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (owner, sig) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
    let secret = TreeSecret::generate(&mut rng);
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    let founding = Founding {
        suite: Suite::Aes256Gcm,
        nonce,
        owner: owner.verifying_key(),
        policy,
        sig: sig.verifying_key(),
        secret: secret.clone(),
        at: UnixSeconds::new(START),
    };
    let authored = author::found(founding, FrameId::new([0; 16])).unwrap();
    let Place::Operation { base, .. } = authored.head.place else { panic!("an operation") };
    let draft = Draft {
        head: authored.head,
        sealed: vec![0x5e; 32],
        signers: vec![(Field::Leaf, sig.clone(), Role::Leaf), (Field::Owner, owner.clone(), Role::Owner)],
        sign: None,
        admin_proof: false,
        ctx: base,
        proofs: 1,
        witnesses: Rc::new(authored.witnesses),
    };
    let mut ring = Ring::default();
    ring.tree.insert(secret.public().to_bytes(), secret);
    for signer in [owner, sig] {
        ring.signing.insert(signer.verifying_key(), signer);
    }
    (draft, ring, rng)
}

pub fn create(draft: &Draft) -> Result<Accepted, Refusal> {
    GroupState::create(&draft.frame()?, keys()).map(Proposed::without_proofs)
}

pub fn marks(slots: &[u32]) -> Marks {
    Marks { slots: slots.iter().copied().map(slot).collect(), admin_root: None }
}
