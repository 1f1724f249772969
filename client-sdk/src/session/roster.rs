//! Who is behind each leaf: claims of identities, each checked on its own against the tree.

use std::collections::BTreeMap;

use e2ee::{
    credential::{LeafBinding, LeafCredential, Profile},
    roster::RosterEntry,
};
use group_state::GroupState;
use protocol::{LeafId, Slot, VerifyingKey};
use ratchet_tree::LiveLeaf;

use crate::entry::Person;

/// What is known of one leaf's member.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) identity: VerifyingKey,
    pub(crate) name: String,
    /// The self-signed entry; `None` for an invitee, who is known by its key package until it joins.
    pub(crate) entry: Option<RosterEntry>,
    /// Whether the leaf itself has shown this identity, or its key package has; otherwise a roster said so.
    pub(crate) proven: bool,
}

/// How an entry came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// In an operation of the leaf, which its pseudonym signed.
    ByLeaf,
    /// In somebody's roster. Identities sign for leaves, not leaves for identities, so that a member can claim the
    /// leaf of another one here.
    ByRoster,
}

/// Known members, by leaf.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members(BTreeMap<LeafId, Member>);

/// The values of a leaf that its credential signs.
pub(crate) fn binding(fold: &GroupState, slot: Slot, leaf: &LiveLeaf) -> LeafBinding {
    LeafBinding {
        group: fold.group(),
        slot,
        leaf_id: leaf.leaf_id,
        dh: leaf.dh,
        sig: leaf.sig,
        since: leaf.since,
    }
}

impl Members {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (LeafId, &Member)> {
        self.0.iter().map(|(id, member)| (*id, member))
    }

    pub(crate) fn insert(&mut self, leaf_id: LeafId, member: Member) {
        self.0.insert(leaf_id, member);
    }

    /// How a leaf is shown; it stays known after it has gone, for entries that speak of it.
    pub(crate) fn person(&self, leaf_id: LeafId) -> Person {
        let member = self.0.get(&leaf_id);
        Person {
            identity: member.map(|m| m.identity.to_string()),
            name: member.map(|m| m.name.clone()),
            leaf_id: leaf_id.get(),
        }
    }

    /// The identity that has shown a credential for a leaf as it is in `fold`.
    pub(crate) fn verified(&self, fold: &GroupState, leaf_id: LeafId) -> Option<&VerifyingKey> {
        let slot = fold.tree().slot_of_leaf(leaf_id)?;
        let leaf = fold.tree().leaf(slot).live()?;
        let entry = self.0.get(&leaf_id)?.entry.as_ref()?;
        // The entry was verified against the leaf when it came in; a leaf that changed since needs a new one.
        (entry.since == leaf.since && entry.slot == slot).then(|| entry.identity())
    }

    /// The identity that sent from a leaf in an epoch whose keys are kept: the last one it has shown.
    pub(crate) fn shown(&self, leaf_id: LeafId) -> Option<&VerifyingKey> {
        self.0.get(&leaf_id)?.entry.as_ref().map(RosterEntry::identity)
    }

    /// Takes an entry if it is true of the tree in `fold`. A leaf keeps the identity it first showed: another one
    /// for the same leaf, or for an invitee known by its key package, is not believed. What a roster said gives way to
    /// what the leaf shows itself.
    pub(crate) fn admit(&mut self, fold: &GroupState, entry: RosterEntry, shown: Shown) -> bool {
        let Some(leaf) = fold.tree().leaf(entry.slot).live() else { return false };
        if entry.verify(&binding(fold, entry.slot, leaf)).is_err() {
            return false;
        }
        let known = self.0.get(&leaf.leaf_id);
        if known.is_some_and(|m| m.identity != *entry.identity() && (m.proven || shown == Shown::ByRoster)) {
            return false;
        }
        // Of another identity nothing carries over.
        let known = known.filter(|m| m.identity == *entry.identity());
        let proven = shown == Shown::ByLeaf || known.is_some_and(|m| m.proven);
        let newer_profile = known
            .and_then(|m| m.entry.as_ref())
            .is_none_or(|old| old.profile.revision() <= entry.profile.revision());
        let old_profile = known.and_then(|m| m.entry.as_ref()).map(|old| old.profile.clone());
        let entry = match old_profile {
            Some(profile) if !newer_profile => RosterEntry { profile, ..entry },
            _ => entry,
        };
        let member = Member {
            identity: *entry.identity(),
            name: entry.profile.name().as_str().to_owned(),
            entry: Some(entry),
            proven,
        };
        self.0.insert(leaf.leaf_id, member);
        true
    }

    /// Entries that are true of the tree in `fold`, for a roster.
    pub(crate) fn current(&self, fold: &GroupState) -> Vec<RosterEntry> {
        fold.tree()
            .leaves()
            .filter_map(|(slot, leaf)| {
                let live = leaf.live()?;
                let entry = self.0.get(&live.leaf_id)?.entry.as_ref()?;
                (entry.since == live.since && entry.slot == slot).then(|| entry.clone())
            })
            .collect()
    }
}

/// The own entry for a leaf as it will be.
pub(crate) fn own_entry(
    leaf: &LeafBinding,
    profile: Profile,
    identity: &protocol::SigningKey,
) -> RosterEntry {
    RosterEntry {
        slot: leaf.slot,
        leaf_id: leaf.leaf_id,
        since: leaf.since,
        credential: LeafCredential::sign(leaf, identity),
        profile,
    }
}
