//! What an accepted frame did, for those who act on it: followers are cut at a mark, an application is told of
//! members who came and went.

use protocol::{LeafId, Slot, VerifyingKey};

/// A Live leaf that lost its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Where it was.
    pub slot: Slot,
    /// Its name.
    pub leaf_id: LeafId,
    /// Its pseudonym, whose holder may still fetch the marking frame.
    pub sig: VerifyingKey,
    /// Whether it was Active; otherwise an invite that is now void.
    pub was_active: bool,
}

/// What one accepted frame did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Live leaves marked, named ones and invites keyed by them.
    pub removed: Vec<Removed>,
    /// Invited leaves added, in order.
    pub added: Vec<(Slot, LeafId)>,
    /// A leaf that became Active by this frame: a ticket's joiner or an invitee's first update.
    pub joined: Option<(Slot, LeafId)>,
    /// An Active leaf whose key changed.
    pub updated: Option<(Slot, LeafId)>,
    /// Whether the group is closed now and was not before.
    pub closed: bool,
}
