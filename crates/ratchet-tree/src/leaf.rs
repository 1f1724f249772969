//! What a slot of the tree holds.

use curve::Point;
use protocol::{Epoch, LeafId, UnixSeconds, VerifyingKey};

/// The content of one slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leaf {
    /// Nothing: the slot takes no part in any key.
    Empty,
    /// A device with rights: a member, or somebody invited by name.
    Live(LiveLeaf),
    /// Nobody. The secret of `dh` was chosen by the active leaf `keyed_by` when it healed the slot.
    Vacant {
        /// Tree key.
        dh: Point,
        /// Who knows its secret.
        keyed_by: LeafId,
    },
    /// Nobody, and somebody without rights knows the secret of `dh`: has to be healed.
    Dirty {
        /// Tree key the slot had when it was marked.
        dh: Point,
    },
}

/// A leaf with rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveLeaf {
    /// Tree key; used for nothing but deriving node keys.
    pub dh: Point,
    /// Pseudonym of the device in this group; authorises what the leaf does.
    pub sig: VerifyingKey,
    /// Name of the leaf; outlives its keys, never names another leaf.
    pub leaf_id: LeafId,
    /// Epoch that set `dh`.
    pub since: Epoch,
    /// Whether only the device itself can know the secret of `dh`.
    pub status: Status,
}

/// How far a live leaf has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// The device chose its own secret and may act.
    Active,
    /// Added by name: the secret of `dh` was chosen by the inviter, and all the leaf may do is join or leave.
    Invited {
        /// After this the invite is overdue and any active leaf may mark it.
        expires: UnixSeconds,
        /// The inviter, who knows the secret.
        keyed_by: LeafId,
    },
}

impl Leaf {
    /// Whether the slot is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The live leaf, if it is one.
    #[must_use]
    pub const fn live(&self) -> Option<&LiveLeaf> {
        match self {
            Self::Live(live) => Some(live),
            Self::Empty | Self::Vacant { .. } | Self::Dirty { .. } => None,
        }
    }

    /// The live leaf, if it is one and active.
    #[must_use]
    pub fn active(&self) -> Option<&LiveLeaf> {
        self.live().filter(|live| live.is_active())
    }

    /// The tree key; `None` for an empty slot.
    #[must_use]
    pub const fn dh(&self) -> Option<&Point> {
        match self {
            Self::Empty => None,
            Self::Live(LiveLeaf { dh, .. }) | Self::Vacant { dh, .. } | Self::Dirty { dh } => Some(dh),
        }
    }

    /// Who chose the secret without being the leaf's member; `None` where nobody with rights did.
    #[must_use]
    pub const fn keyed_by(&self) -> Option<LeafId> {
        match self {
            Self::Vacant { keyed_by, .. }
            | Self::Live(LiveLeaf { status: Status::Invited { keyed_by, .. }, .. }) => Some(*keyed_by),
            Self::Empty | Self::Live(LiveLeaf { status: Status::Active, .. }) | Self::Dirty { .. } => None,
        }
    }
}

impl LiveLeaf {
    /// Whether the device chose its own secret and may act.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.status, Status::Active)
    }
}
