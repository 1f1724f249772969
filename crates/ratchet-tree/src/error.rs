//! Why the tree refuses.

use protocol::Refusal;
use thiserror::Error;

/// A change the tree does not take; always the fault of the change's author, and the tree is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// No slot left under the largest capacity, more live leaves than allowed, or no leaf id left.
    #[error("the tree is full")]
    GroupFull,
    /// The change does not fit its slot: an add outside the placement, a heal outside the lowest dirty slot.
    #[error("the change targets another slot than the rules name")]
    WrongSlot,
    /// A branch with more or fewer keys than its path has levels.
    #[error("the branch has a wrong number of keys")]
    WrongKeyCount,
    /// One of ±G and ±H where a key is expected.
    #[error("a tree key is reserved")]
    BadTreeKey,
    /// A leaf key that a leaf has already, the changed leaf itself included.
    #[error("two leaves would share a tree key")]
    DuplicateTreeKey,
    /// A signature key that a leaf has already.
    #[error("two leaves would share a signature key")]
    DuplicateSignatureKey,
    /// The slot does not hold a leaf of the needed kind.
    #[error("no leaf of the needed kind is at that slot")]
    NoSuchLeaf,
    /// The leaf that acts is not active.
    #[error("the acting leaf is not active")]
    NotActive,
    /// A mark that would leave no active leaf.
    #[error("the last active leaf cannot be marked")]
    LastMember,
    /// A leaf would be keyed by one that is not active.
    #[error("a leaf would be keyed by one that is not active")]
    Ghost,
    /// A heal of a tree without dirty leaf.
    #[error("no leaf is dirty")]
    NothingToHeal,
    /// An invite that has not expired yet.
    #[error("the invite is not overdue yet")]
    NotOverdue,
    /// A mark that names no slot, or one twice.
    #[error("a mark names no slot, or one twice")]
    WrongStructure,
}

impl From<TreeError> for Refusal {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::GroupFull => Self::GroupFull,
            TreeError::WrongSlot => Self::WrongSlot,
            TreeError::WrongKeyCount => Self::WrongKeyCount,
            TreeError::BadTreeKey => Self::BadTreeKey,
            TreeError::DuplicateTreeKey => Self::DuplicateTreeKey,
            TreeError::DuplicateSignatureKey => Self::DuplicateSignatureKey,
            TreeError::NoSuchLeaf => Self::NoSuchLeaf,
            TreeError::NotActive => Self::NotActive,
            TreeError::LastMember => Self::LastMember,
            TreeError::Ghost => Self::Ghost,
            TreeError::NothingToHeal => Self::NothingToHeal,
            TreeError::NotOverdue => Self::NotOverdue,
            TreeError::WrongStructure => Self::WrongStructure,
        }
    }
}

/// A secret does not belong to the public tree.
///
/// At the own leaf it is the caller's fault (a wrong slot or secret). Above it the tree was accepted on a false proof:
/// the proof system is broken or was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathMismatch {
    /// No live leaf at the slot.
    #[error("no live leaf at the slot")]
    NotLive,
    /// The leaf secret is not that of the leaf's key.
    #[error("the leaf secret does not belong to the leaf")]
    Leaf,
    /// The derived secret of an inner node is not that of the node's key.
    #[error("the derived secret does not belong to the node {level} levels above the leaves")]
    Node {
        /// Height of the node above the leaves, from 1.
        level: u8,
    },
    /// The derived signing secret is not that of the signing key.
    #[error("the derived signing secret does not belong to the signing key")]
    SignKey,
}

/// Bytes that are no tree; the fault of whoever sent or stored them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeDecodeError {
    /// The bytes end too early, or derived keys are missing.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes or derived keys are left over.
    #[error("bytes are left over")]
    TrailingBytes,
    /// A layout version this code does not know.
    #[error("the layout version is unknown")]
    UnknownVersion,
    /// More than 24 levels.
    #[error("the tree is too deep")]
    TooDeep,
    /// No leaf, or more leaves than slots.
    #[error("the number of leaves does not fit the capacity")]
    LeafCount,
    /// Leaves not in ascending order of their slots, or beyond the capacity.
    #[error("leaves are out of order or beyond the capacity")]
    LeafOrder,
    /// A kind of leaf without meaning.
    #[error("a leaf kind is unknown")]
    UnknownLeafKind,
    /// A tree key that is no canonical point of the prime-order subgroup, or is reserved.
    #[error("a tree key is not acceptable")]
    BadTreeKey,
    /// A signature key that is not canonical or of small order.
    #[error("a signature key is not acceptable")]
    BadSignatureKey,
    /// Two leaves with the same tree key.
    #[error("two leaves share a tree key")]
    DuplicateTreeKey,
    /// Two leaves with the same signature key.
    #[error("two leaves share a signature key")]
    DuplicateSignatureKey,
    /// Two leaves with the same id, or an id the counter has not given out.
    #[error("a leaf id is used twice or was never given out")]
    BadLeafId,
    /// More than one slot, and an empty right half.
    #[error("the tree should have been halved")]
    NotHalved,
    /// No active leaf.
    #[error("no leaf is active")]
    NoActiveLeaf,
    /// A leaf keyed by one that is not active.
    #[error("a leaf is keyed by one that is not active")]
    Ghost,
}

/// A tree contradicts itself: a fault of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The leaves and keys break a rule every tree has to keep.
    #[error("the tree breaks a structural rule")]
    Structure(#[source] TreeDecodeError),
    /// A cached hash or count of a node is not what its children say.
    #[error("a node's cached hash or count is wrong")]
    Nodes,
    /// A look-up map is not what the leaves say.
    #[error("a look-up map is wrong")]
    LookUps,
}
