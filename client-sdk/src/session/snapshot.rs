//! A roster that is too large for invites.

use core::fmt;

use e2ee::attachment::{DropSecret, copy_name};
use protocol::LeafId;

/// A roster to be laid down for invitees, once the operation that adds them was accepted.
pub(crate) struct Snapshot {
    /// Secret of the whole, which nobody is told.
    pub(crate) secret: DropSecret,
    /// Who shall read it.
    pub(crate) readers: Vec<LeafId>,
    /// The encoded roster: empty until there are invites that need it.
    pub(crate) roster: Vec<u8>,
}

impl Snapshot {
    pub(crate) const fn new(secret: DropSecret) -> Self {
        Self { secret, readers: Vec::new(), roster: Vec::new() }
    }

    /// The secret under which an invitee will find it.
    pub(super) fn reader(&mut self, invitee: LeafId) -> DropSecret {
        self.readers.push(invitee);
        self.secret.copy(&copy_name(invitee))
    }

    pub(super) fn of(self, roster: Vec<u8>) -> Self {
        Self { roster, ..self }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot(..)")
    }
}
