//! Why a frame is refused: a closed vocabulary with stable codes.
//!
//! The same enum is used by the fold (node and client), by the node's admission and on the wire. A refusal changes
//! nothing: whoever returns one has left the state as it was.

use thiserror::Error;

/// What a sender may do after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// The same or a rebuilt frame will be refused again: the sender's request is wrong.
    Never,
    /// Fetch the frames missed, rebuild on the new state with a new frame id, send again.
    Rebuild,
    /// The same bytes may be accepted later.
    Later,
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident => $code:literal, $retry:ident, $text:literal;)*) => {
        /// A frame was not accepted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[$doc])* #[error($text)] $name,)*
        }

        impl Refusal {
            /// All refusals, in the order of their definition.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The stable code: lower case and underscores, never changed once released.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// What the sender may do.
            #[must_use]
            pub const fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry),* }
            }
        }
    };
}

refusals! {
    /// Bytes that do not decode, or decode to something that encodes differently.
    Malformed => "malformed", Never, "the frame is malformed or not in canonical form";
    /// A frame, head or sealed part over its limit.
    TooLarge => "too_large", Never, "the frame is larger than allowed";
    /// A protocol version this code does not speak.
    UnsupportedVersion => "unsupported_version", Never, "the protocol version is not supported";
    /// A suite number without meaning, or not the group's.
    UnknownSuite => "unknown_suite", Never, "the cipher suite is unknown or not the group's";
    /// A kind whose number is reserved, or that is not built yet.
    NotSupported => "not_supported", Never, "this kind of frame is not supported";
    /// The one answer to all who show no valid signature for the claimed base, and for unknown groups.
    NotAccepted => "not_accepted", Never, "not accepted";
    /// The frame id was used by this group for other content.
    FrameIdConflict => "frame_id_conflict", Never, "the frame id was used for other content";
    /// The group has been closed by its owner.
    GroupClosed => "group_closed", Never, "the group is closed";
    /// An operation built on another state than the current one.
    StaleEpoch => "stale_epoch", Rebuild, "the operation was built on another epoch";
    /// A message of an epoch that is not accepted (any more).
    EpochNotAccepted => "epoch_not_accepted", Rebuild, "messages of this epoch are not accepted";
    /// A leaf is dirty: only marks, heals, admin changes and closing are accepted until it is healed.
    HealFirst => "heal_first", Rebuild, "a removal has to be completed first";
    /// Fields present or absent against the kind's rule, or a wrong number of changes, marks, proofs or signatures.
    WrongStructure => "wrong_structure", Never, "the frame has not the structure its kind demands";
    /// A change that does not target the slot the rules name.
    WrongSlot => "wrong_slot", Never, "the change targets another slot than the rules name";
    /// A branch change with more or fewer keys than its path has levels.
    WrongKeyCount => "wrong_key_count", Never, "the branch has a wrong number of keys";
    /// A tree key that is not a canonical point of the prime-order subgroup, or is a reserved one.
    BadTreeKey => "bad_tree_key", Never, "a tree key is not acceptable";
    /// A signature key that is not a canonical Ed25519 point or of small order.
    BadSignatureKey => "bad_signature_key", Never, "a signature key is not acceptable";
    /// Two leaves would have the same tree key.
    DuplicateTreeKey => "duplicate_tree_key", Never, "two leaves would share a tree key";
    /// Two leaves would have the same signature key.
    DuplicateSignatureKey => "duplicate_signature_key", Never, "two leaves would share a signature key";
    /// The doer is not an active leaf.
    NotActive => "not_active", Never, "the acting leaf is not active";
    /// A slot that does not hold what the operation needs.
    NoSuchLeaf => "no_such_leaf", Never, "no leaf of the needed kind is at that slot";
    /// A signature does not verify.
    BadSignature => "bad_signature", Never, "a signature does not verify";
    /// A proof does not verify.
    BadProof => "bad_proof", Never, "a proof does not verify";
    /// The tree after the operation is not the one its head claims.
    TreeHashMismatch => "tree_hash_mismatch", Never, "the tree after the operation differs from the claimed one";
    /// The group's proof parameters are not known here.
    UnknownParams => "unknown_params", Never, "the group's proof parameters are not known here";
    /// No capacity left under the largest tier, or over `max_members`.
    GroupFull => "group_full", Never, "the group is full";
    /// A mark that would leave no active leaf.
    LastMember => "last_member", Never, "the last active member cannot be removed; close the group";
    /// A leaf would be keyed by one that is not active.
    Ghost => "ghost", Never, "a leaf would be keyed by one that is not active";
    /// A heal while no leaf is dirty.
    NothingToHeal => "nothing_to_heal", Rebuild, "no leaf is dirty";
    /// The doer has too many invites outstanding.
    TooManyInvites => "too_many_invites", Later, "too many invites are outstanding";
    /// The group has too many open tickets.
    TooManyTickets => "too_many_tickets", Later, "too many tickets are open";
    /// A ticket that is unknown, used up, expired or revoked.
    NoSuchTicket => "no_such_ticket", Never, "the ticket is unknown, used up, expired or revoked";
    /// A ticket key already in use.
    TicketExists => "ticket_exists", Never, "the ticket is already open";
    /// An invite that is not overdue yet.
    NotOverdue => "not_overdue", Later, "the invite is not overdue yet";
    /// A first update after the invite has lapsed.
    InviteExpired => "invite_expired", Never, "the invite has lapsed";
    /// An expiry in the past or farther ahead than allowed.
    BadExpiry => "bad_expiry", Never, "the expiry is in the past or too far ahead";
    /// A policy outside its bounds.
    BadPolicy => "bad_policy", Never, "the policy is outside its bounds";
    /// An operation's time before that of the state it builds on.
    TimeBackwards => "time_backwards", Rebuild, "the operation is dated before the state it builds on";
    /// Admission: the operation's time is too far from the node's.
    ClockSkew => "clock_skew", Rebuild, "the operation's time is too far from the node's";
    /// Admission: a message of an earlier epoch came after the grace period.
    GraceOver => "grace_over", Rebuild, "the grace period for messages of an earlier epoch is over";
    /// Admission: too many frames in a short time.
    RateLimited => "rate_limited", Later, "too many frames in a short time";
    /// Admission: the node's queue is full.
    Busy => "busy", Later, "the node is busy";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_plain() {
        let codes: BTreeSet<_> = Refusal::ALL.iter().map(|r| r.code()).collect();
        assert_eq!(codes.len(), Refusal::ALL.len());
        assert!(codes.iter().all(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
