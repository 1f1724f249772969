//! Making operations: the public half of what a member does before it signs, proves and seals.
//!
//! Authoring takes the same steps on the same tree code as applying, so an author cannot differ from a verifier on
//! placement, normalisation or the hash afterwards. Secrets come in as arguments; nothing is drawn here.

use curve::{Point, TreeSecret};
use proofs::Statement;
use protocol::{
    Epoch, Frame, FrameDigest, FrameId, GroupId, Head, Refusal, Slot, Suite, TreeHash, UnixSeconds,
    VerifyingKey,
    body::{
        AddMembers, Added, Body, Change, DoerMarks, Heal, Init, Join, Marks, OwnChange, Policy, Rejoin,
        UpdateKey,
    },
    digest,
    head::Place,
    limits::{MAX_CHANGES, MAX_MARKS},
};
use ratchet_tree::{Capacity, NewLeaf, Target, Tree};

use crate::GroupState;

/// What the proof of one branch change is made from.
#[derive(Debug)]
pub struct Witness {
    /// Leaf key, DH levels upwards, signing key.
    pub keys: Vec<Point>,
    /// One sibling per DH level.
    pub siblings: Vec<Point>,
    /// The secret of the leaf.
    pub secret: TreeSecret,
}

impl Witness {
    /// The statement to prove for a frame with this digest.
    ///
    /// # Errors
    /// [`Refusal::GroupFull`] when the branch is longer than the largest circuit.
    pub fn statement(&self, digest: &FrameDigest) -> Result<Statement, Refusal> {
        Statement::new(*digest, self.keys.clone(), self.siblings.clone()).map_err(|_| Refusal::GroupFull)
    }
}

/// A head with what its proofs need, in their order.
#[derive(Debug)]
#[must_use = "an operation takes effect when its frame is accepted"]
pub struct Authored {
    /// The head to seal under, sign and prove.
    pub head: Head,
    /// One witness per branch change.
    pub witnesses: Vec<Witness>,
    /// The tree afterwards, from which the author derives its own path.
    pub tree: Tree,
}

/// An invitee to add by name.
#[derive(Debug)]
pub struct Invitee {
    /// Leaf secret chosen by the doer; to be erased once the frame is accepted and the invite sealed.
    pub secret: TreeSecret,
    /// One-time pseudonym from the invitee's key package.
    pub sig: VerifyingKey,
    /// When the invite lapses.
    pub expires: UnixSeconds,
}

/// What a heal does to the doer's own leaf.
#[derive(Debug)]
pub enum Own {
    /// Nothing.
    Keep,
    /// A fresh secret and perhaps a new pseudonym.
    Update(TreeSecret, Option<VerifyingKey>),
    /// A return after loss of state: fresh secret and `E`.
    Rejoin(TreeSecret, Point),
}

/// What founds a group.
#[derive(Debug)]
pub struct Founding {
    /// Cipher suite.
    pub suite: Suite,
    /// Random bytes.
    pub nonce: [u8; 32],
    /// The owner's key for this group.
    pub owner: VerifyingKey,
    /// The rules.
    pub policy: Policy,
    /// Pseudonym of the creator's leaf.
    pub sig: VerifyingKey,
    /// The creator's leaf secret.
    pub secret: TreeSecret,
    /// The creator's time.
    pub at: UnixSeconds,
}

/// Authors the first frame of a group.
///
/// # Errors
/// [`Refusal::BadTreeKey`] for the unlucky secret whose key is reserved: draw another.
pub fn found(founding: Founding, frame_id: FrameId) -> Result<Authored, Refusal> {
    let leaf_key = founding.secret.public();
    let sign_key = founding.secret.dh(&Point::sign_base()).derive().public();
    let tree = Tree::create(leaf_key, founding.sig, Epoch::ZERO, sign_key)?;
    let keys = vec![leaf_key, sign_key];
    let body = Body::Init(Init {
        nonce: founding.nonce,
        owner: founding.owner,
        admin_root: protocol::AdminRoot::new([0; 32]),
        policy: founding.policy,
        recovery: protocol::RecoveryHash::new([0; 32]),
        sig: founding.sig,
        keys: keys.clone(),
    });
    let suite = founding.suite;
    let group = digest::group_id(suite, founding.at, &tree.hash(), &body.encode());
    let place = Place::Operation {
        base: digest::ctx_before_init(suite, &group),
        at: founding.at,
        tree_hash_after: tree.hash(),
    };
    let head = Head { suite, group, frame_id, place, body };
    let witness = Witness { keys, siblings: Vec::new(), secret: founding.secret };
    Ok(Authored { head, witnesses: vec![witness], tree })
}

/// An operation in the making, on one state at one time.
#[derive(Debug)]
pub struct Author<'a> {
    state: &'a GroupState,
    at: UnixSeconds,
    frame_id: FrameId,
    max_capacity: Capacity,
    tree: Tree,
    epoch: Epoch,
    witnesses: Vec<Witness>,
}

impl<'a> Author<'a> {
    /// Starts an operation. `max_capacity`: slots under the largest circuit.
    ///
    /// What an operation is refused for here is what the tree or the frame's form would refuse; whether the sender is
    /// entitled to it, expiries and tickets are left to [`GroupState::apply`], to which the signed frame goes first.
    ///
    /// The time is moved up to that of the state, should the own clock be behind it.
    ///
    /// # Errors
    /// [`Refusal::GroupClosed`] for a closed group.
    pub fn new(
        state: &'a GroupState,
        at: UnixSeconds,
        frame_id: FrameId,
        max_capacity: Capacity,
    ) -> Result<Self, Refusal> {
        if state.is_closed() {
            return Err(Refusal::GroupClosed);
        }
        let epoch = state.epoch().next().ok_or(Refusal::Malformed)?;
        let at = at.max(state.at());
        Ok(Self {
            state,
            at,
            frame_id,
            max_capacity,
            tree: state.tree().clone(),
            epoch,
            witnesses: Vec::new(),
        })
    }

    /// The operation's time.
    #[must_use]
    pub const fn at(&self) -> UnixSeconds {
        self.at
    }

    fn branch(&mut self, target: Target, leaf: NewLeaf, secret: TreeSecret) -> Result<Change, Refusal> {
        let prepared = self.tree.prepare(target, self.max_capacity)?;
        let slot = prepared.slot();
        let siblings = prepared.siblings().to_vec();
        let branch = prepared.author(&secret).keys;
        self.tree = prepared.finish(leaf, &branch)?;
        let keys = branch.into_vec();
        self.witnesses.push(Witness { keys: keys.clone(), siblings, secret });
        Ok(Change { slot, keys })
    }

    fn leaf_id(&self, slot: Slot) -> Result<protocol::LeafId, Refusal> {
        self.state.live_leaf(slot).map(|l| l.leaf_id).ok_or(Refusal::NotActive)
    }

    fn finish(self, body: Body) -> Authored {
        let place =
            Place::Operation { base: self.state.ctx(), at: self.at, tree_hash_after: self.tree.hash() };
        let head = Head {
            suite: self.state.suite(),
            group: self.state.group(),
            frame_id: self.frame_id,
            place,
            body,
        };
        Authored { head, witnesses: self.witnesses, tree: self.tree }
    }

    /// Adds 1 to 64 named invitees.
    ///
    /// # Errors
    /// [`Refusal`] as the fold would refuse it.
    pub fn add_members(mut self, doer: Slot, invitees: Vec<Invitee>) -> Result<Authored, Refusal> {
        if invitees.is_empty() || invitees.len() > MAX_CHANGES {
            return Err(Refusal::WrongStructure);
        }
        let keyed_by = self.leaf_id(doer)?;
        let mut added = Vec::with_capacity(invitees.len());
        for invitee in invitees {
            let (sig, expires) = (invitee.sig, invitee.expires);
            let leaf = NewLeaf::Added { sig, expires, keyed_by, since: self.epoch };
            let change = self.branch(Target::Place, leaf, invitee.secret)?;
            added.push(Added { change, sig, expires });
        }
        Ok(self.finish(Body::AddMembers(AddMembers { doer, added })))
    }

    /// Gives the own leaf a fresh secret; an invitee joins by it.
    ///
    /// # Errors
    /// [`Refusal`] as the fold would refuse it.
    pub fn update_key(
        mut self,
        slot: Slot,
        secret: TreeSecret,
        new_sig: Option<VerifyingKey>,
    ) -> Result<Authored, Refusal> {
        let leaf = NewLeaf::Updated { sig: new_sig, since: self.epoch };
        let change = self.branch(Target::Existing(slot), leaf, secret)?;
        Ok(self.finish(Body::UpdateKey(UpdateKey { change, new_sig })))
    }

    /// Joins by a ticket. `external` is `E = e·G`.
    ///
    /// # Errors
    /// [`Refusal`] as the fold would refuse it.
    pub fn join(
        mut self,
        ticket: VerifyingKey,
        secret: TreeSecret,
        sig: VerifyingKey,
        external: Point,
    ) -> Result<Authored, Refusal> {
        let change = self.branch(Target::Place, NewLeaf::Joined { sig, since: self.epoch }, secret)?;
        Ok(self.finish(Body::Join(Join { ticket, change, sig, external })))
    }

    /// Comes back to the own Active leaf after loss of state. `external` is `E = e·G`.
    ///
    /// # Errors
    /// [`Refusal`] as the fold would refuse it.
    pub fn rejoin(mut self, slot: Slot, secret: TreeSecret, external: Point) -> Result<Authored, Refusal> {
        let change = self.branch(Target::Existing(slot), NewLeaf::Rejoined { since: self.epoch }, secret)?;
        Ok(self.finish(Body::Rejoin(Rejoin { change, external })))
    }

    /// The own leaf leaves.
    ///
    /// # Errors
    /// [`Refusal`] as the fold would refuse it.
    pub fn leave(mut self, slot: Slot) -> Result<Authored, Refusal> {
        self.tree = self.tree.mark(&[slot])?.0;
        Ok(self.finish(Body::Leave(slot)))
    }

    /// Marks leaves without re-keying them.
    ///
    /// # Errors
    /// [`Refusal`] as the fold would refuse it.
    pub fn mark_removed(mut self, mut marks: Marks) -> Result<Authored, Refusal> {
        in_order(&mut marks.slots)?;
        self.tree = self.tree.mark(&marks.slots)?.0;
        Ok(self.finish(Body::MarkRemoved(marks)))
    }

    /// Marks invites that have lapsed.
    ///
    /// # Errors
    /// [`Refusal`] as the fold would refuse it.
    pub fn expire(mut self, doer: Slot, mut slots: Vec<Slot>) -> Result<Authored, Refusal> {
        in_order(&mut slots)?;
        self.tree = self.tree.expire(&slots, self.at)?.0;
        Ok(self.finish(Body::Expire(DoerMarks { doer, slots })))
    }

    /// Marks leaves the doer keyed itself.
    ///
    /// # Errors
    /// [`Refusal`] as the fold would refuse it.
    pub fn mark_own(mut self, doer: Slot, mut slots: Vec<Slot>) -> Result<Authored, Refusal> {
        in_order(&mut slots)?;
        self.tree = self.tree.mark_own(doer, &slots)?.0;
        Ok(self.finish(Body::MarkOwn(DoerMarks { doer, slots })))
    }

    /// Heals as many Dirty leaves as one frame may, after marking `marks` if given (then it is `RemoveMembers`).
    /// `fresh` draws the secrets of the leaves healed.
    ///
    /// # Errors
    /// [`Refusal`] as the fold would refuse it.
    pub fn heal(
        mut self,
        doer: Slot,
        mut marks: Option<Marks>,
        own: Own,
        mut fresh: impl FnMut() -> TreeSecret,
    ) -> Result<Authored, Refusal> {
        if let Some(marks) = &mut marks {
            in_order(&mut marks.slots)?;
            self.tree = self.tree.mark(&marks.slots)?.0;
        }
        if self.tree.is_clean() {
            return Err(Refusal::NothingToHeal);
        }
        let own = match own {
            Own::Keep => OwnChange::None,
            Own::Update(secret, new_sig) => {
                let leaf = NewLeaf::Updated { sig: new_sig, since: self.epoch };
                let change = self.branch(Target::Existing(doer), leaf, secret)?;
                OwnChange::Update(UpdateKey { change, new_sig })
            }
            Own::Rejoin(secret, external) => {
                let change =
                    self.branch(Target::Existing(doer), NewLeaf::Rejoined { since: self.epoch }, secret)?;
                OwnChange::Rejoin(Rejoin { change, external })
            }
        };
        let keyed_by = self.leaf_id(doer)?;
        let mut changes = Vec::new();
        while !self.tree.is_clean() && self.witnesses.len() < MAX_CHANGES {
            changes.push(self.branch(Target::LowestDirty, NewLeaf::Healed { keyed_by }, fresh())?);
        }
        let removal = marks.is_some();
        let heal = Heal { doer, marks, own, changes };
        Ok(self.finish(if removal { Body::RemoveMembers(heal) } else { Body::Heal(heal) }))
    }

    /// An operation that leaves the tree alone: tickets, policy, admins, owner, closing.
    pub fn plain(self, body: Body) -> Authored {
        self.finish(body)
    }
}

/// Slots in the order a frame names them in.
fn in_order(slots: &mut [Slot]) -> Result<(), Refusal> {
    slots.sort_unstable();
    if slots.len() > MAX_MARKS { Err(Refusal::WrongStructure) } else { Ok(()) }
}

impl Authored {
    /// The unsigned frame with its sealed part.
    #[must_use]
    pub fn frame(&self, sealed: Vec<u8>) -> Frame {
        Frame::unsigned(self.head.clone(), sealed)
    }

    /// Hash of the tree afterwards.
    #[must_use]
    pub fn tree_hash(&self) -> TreeHash {
        self.tree.hash()
    }
}

/// The head of a message of an epoch.
#[must_use]
pub const fn message_head(suite: Suite, group: GroupId, epoch: Epoch, frame_id: FrameId) -> Head {
    Head { suite, group, frame_id, place: Place::Message { epoch }, body: Body::Message }
}
