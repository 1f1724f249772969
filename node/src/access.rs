//! Who may read what.
//!
//! A reader answers a [`challenge`](Challenges) and gets a [`token`](Tokens), which names what was shown and for how
//! long. Whether that still counts is decided anew at every use, from the group's newest state: see [`Grant::stands`].

mod centrifugo;
mod challenges;
mod tokens;

use api::token::Scope;
use protocol::{Epoch, LeafId, Seq, Slot, UnixSeconds, VerifyingKey};

pub(crate) use centrifugo::CentrifugoIssuer;
pub(crate) use challenges::{Binding, CHALLENGE_SECONDS, Challenges, UnknownChallenge, mac};
pub(crate) use tokens::{BadToken, TOKEN_SECONDS, Tokens};

use crate::group::Book;

/// What a reader has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Grant {
    /// The signing key of an epoch: a member, nobody knows which.
    Root {
        /// The epoch.
        epoch: Epoch,
    },
    /// The pseudonym of a live leaf.
    Leaf {
        /// Where it is.
        slot: Slot,
        /// Its name.
        leaf_id: LeafId,
        /// The pseudonym it had.
        sig: VerifyingKey,
    },
    /// The key of an open ticket.
    Ticket {
        /// The ticket.
        key: VerifyingKey,
    },
    /// The pseudonym of a removed leaf.
    Removed {
        /// Position of the frame that removed it.
        seq: Seq,
    },
}

impl Grant {
    /// What it opens.
    pub(crate) const fn scope(&self) -> Scope {
        match self {
            Self::Root { .. } | Self::Leaf { .. } => Scope::Full,
            Self::Ticket { .. } => Scope::Heads,
            Self::Removed { .. } => Scope::Removal,
        }
    }

    /// Whether what was shown still counts in this state of the group.
    ///
    /// A removed member knows the signing key of every epoch up to its removal, so root grants end with a mark: while a
    /// leaf is dirty none counts, and afterwards only those of epochs that began clean. Other changes of the group end
    /// no grant.
    pub(crate) fn stands(&self, book: &Book, now: UnixSeconds) -> bool {
        let state = &book.state;
        match self {
            Self::Root { epoch } => {
                state.is_clean() && *epoch >= state.first_clean_epoch() && *epoch <= state.epoch()
            }
            Self::Leaf { slot, leaf_id, sig } => state
                .tree()
                .leaf(*slot)
                .live()
                .is_some_and(|leaf| leaf.leaf_id == *leaf_id && leaf.sig == *sig),
            Self::Ticket { key } => state.ticket(key).is_some_and(|ticket| ticket.expires >= now),
            Self::Removed { seq } => *seq <= state.seq(),
        }
    }
}
