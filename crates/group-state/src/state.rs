//! The fold state of a group.

use std::collections::BTreeMap;

use curve::Point;
use protocol::{
    AdminRoot, Ctx, Epoch, FrameHash, GroupId, LogHash, RecoveryHash, Seq, Suite, Transcript, UnixSeconds,
    VerifyingKey,
    body::{Policy, Ticket},
    digest::{self, CtxFields},
    limits::MESSAGE_EPOCHS,
};
use ratchet_tree::Tree;

/// What it takes to check a message of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageEpoch {
    /// The epoch.
    pub epoch: Epoch,
    /// Its ctx.
    pub ctx: Ctx,
    /// Its signing key.
    pub sign_key: Point,
}

/// Everything that follows from a group's frames. Cloning is cheap: the tree is shared.
#[derive(Clone, Debug)]
pub struct GroupState {
    pub(crate) suite: Suite,
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    pub(crate) at: UnixSeconds,
    pub(crate) first_clean_epoch: Epoch,
    pub(crate) closed: bool,
    pub(crate) tree: Tree,
    pub(crate) transcript: Transcript,
    pub(crate) owner: VerifyingKey,
    pub(crate) admin_root: AdminRoot,
    pub(crate) policy: Policy,
    pub(crate) tickets: BTreeMap<VerifyingKey, Ticket>,
    pub(crate) recovery: RecoveryHash,
    pub(crate) ctx: Ctx,
    pub(crate) seq: Seq,
    pub(crate) log: LogHash,
    /// The current epoch and up to two before it, oldest first.
    pub(crate) window: Vec<MessageEpoch>,
}

impl GroupState {
    /// Cipher suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The group's id.
    #[must_use]
    pub const fn group(&self) -> GroupId {
        self.group
    }

    /// Number of operations since Init.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Time of the last operation.
    #[must_use]
    pub const fn at(&self) -> UnixSeconds {
        self.at
    }

    /// The first epoch without a Dirty leaf after the last mark.
    #[must_use]
    pub const fn first_clean_epoch(&self) -> Epoch {
        self.first_clean_epoch
    }

    /// Whether the owner has closed the group.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// The key tree.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Hash chain over the operations.
    #[must_use]
    pub const fn transcript(&self) -> Transcript {
        self.transcript
    }

    /// The owner's key.
    #[must_use]
    pub const fn owner(&self) -> VerifyingKey {
        self.owner
    }

    /// Merkle root of the admin commitments.
    #[must_use]
    pub const fn admin_root(&self) -> AdminRoot {
        self.admin_root
    }

    /// The group's rules.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Open tickets, in the order of their keys.
    pub fn tickets(&self) -> impl Iterator<Item = &Ticket> {
        self.tickets.values()
    }

    /// The ticket of a key, if open at the time of the last operation.
    #[must_use]
    pub fn ticket(&self, key: &VerifyingKey) -> Option<&Ticket> {
        self.tickets.get(key)
    }

    /// Digest of all that except log position and message window.
    #[must_use]
    pub const fn ctx(&self) -> Ctx {
        self.ctx
    }

    /// Position of the last frame folded.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// Hash chain over all frames up to [`Self::seq`].
    #[must_use]
    pub const fn log(&self) -> LogHash {
        self.log
    }

    /// What the current epoch's messages are checked against, and that of up to two epochs before, oldest first.
    #[must_use]
    pub fn message_epochs(&self) -> &[MessageEpoch] {
        &self.window
    }

    /// What messages of `epoch` are checked against, if they may still be checked.
    #[must_use]
    pub fn message_epoch(&self, epoch: Epoch) -> Option<&MessageEpoch> {
        self.window.iter().find(|w| w.epoch == epoch)
    }

    /// Whether no leaf is Dirty.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.tree.is_clean()
    }

    /// Whether a message of `epoch` is accepted: the group is open and clean, the epoch is one of the last three and
    /// none before the last removal was completed.
    #[must_use]
    pub fn accepts_messages_of(&self, epoch: Epoch) -> bool {
        !self.closed
            && self.is_clean()
            && epoch <= self.epoch
            && self.epoch.get() - epoch.get() <= MESSAGE_EPOCHS
            && epoch >= self.first_clean_epoch
    }

    /// Passes over a stored message: one whose content was pruned, or that fails its checks. The log goes on.
    ///
    /// `None` only at the end of the sequence numbers.
    #[must_use]
    pub fn pass_over_message(&self, th: &FrameHash) -> Option<Self> {
        let seq = self.seq.next()?;
        Some(Self { seq, log: digest::log_hash(&self.log, seq, th), ..self.clone() })
    }

    /// The same state at another log position, for a client that stores position and state apart.
    ///
    /// ctx does not cover the position, so neither is checked here.
    #[must_use]
    pub fn at_position(self, seq: Seq, log: LogHash) -> Self {
        Self { seq, log, ..self }
    }

    pub(crate) fn compute_ctx(&self) -> Ctx {
        digest::ctx(&CtxFields {
            suite: self.suite,
            group: self.group,
            epoch: self.epoch,
            at: self.at,
            first_clean_epoch: self.first_clean_epoch,
            closed: self.closed,
            tree_hash: self.tree.hash(),
            transcript: self.transcript,
            owner: self.owner,
            admin_root: self.admin_root,
            policy: self.policy.hash(),
            tickets: digest::tickets_hash(self.tickets.values()),
            recovery: self.recovery,
        })
    }

    /// Recomputes ctx and lets the new epoch into the window. To be called once all other fields are final.
    pub(crate) fn seal_epoch(&mut self) {
        self.ctx = self.compute_ctx();
        // Two epochs back at most, whatever their cleanliness: the answer to a late but genuine message may then say why.
        self.window.retain(|w| self.epoch.get() - w.epoch.get() <= MESSAGE_EPOCHS);
        self.window.push(MessageEpoch { epoch: self.epoch, ctx: self.ctx, sign_key: self.tree.sign_key() });
    }
}
