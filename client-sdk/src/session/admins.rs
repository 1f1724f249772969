//! Who is an admin: what the owner keeps, what an admin keeps, and how one learns of it.

use e2ee::{
    admins::{Admins, Grant, MAX_ADMINS, OPENING_LEN},
    content::Content,
};
use proofs::{AdminPath, AdminSecret, AdminStatement, AdminTree};
use protocol::{AdminCommitment, AdminRoot, Epoch, FrameDigest, LeafId};
use rand_core::CryptoRng;

use super::{Session, SessionError, Standing, author::fresh_secret};
use crate::prover::Job;

/// A leaf the owner made an admin.
#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) leaf_id: LeafId,
    pub(crate) secret: AdminSecret,
}

/// The own place among the admins.
pub(crate) struct OwnAdmin {
    pub(crate) secret: AdminSecret,
    /// Position of the own commitment.
    pub(crate) position: usize,
    /// All of them, in the order of the tree's leaves.
    pub(crate) commitments: Vec<AdminCommitment>,
}

/// What a home knows of a group's admins.
#[derive(Default)]
pub(crate) struct AdminState {
    /// The owner's list, in the order of the tree's leaves.
    pub(crate) granted: Vec<Granted>,
    /// The admins have not all been told yet.
    pub(crate) due: bool,
    /// Being an admin oneself, under the root in force.
    pub(crate) own: Option<OwnAdmin>,
}

/// What the owner does to the list.
#[derive(Debug, Clone)]
pub(crate) enum AdminChange {
    /// More admins. Those who are already get a new secret.
    Grant(Vec<LeafId>),
    /// Fewer admins.
    Revoke(Vec<LeafId>),
    /// The same admins with new secrets.
    Rotate,
}

fn tree(granted: &[Granted]) -> Result<AdminTree, SessionError> {
    let commitments: Vec<_> = granted.iter().map(|one| one.secret.commitment()).collect();
    AdminTree::new(&commitments).map_err(|_| SessionError::TooManyAdmins)
}

/// The root of a list.
pub(super) fn root(granted: &[Granted]) -> Result<AdminRoot, SessionError> {
    Ok(tree(granted)?.root())
}

/// The same leaves with fresh secrets, in an order that says nothing of them.
fn redraw(mut leaves: Vec<LeafId>, rng: &mut dyn CryptoRng) -> Vec<Granted> {
    // Fisher and Yates; the bias of a 64-bit remainder among 256 is below 2^-56.
    for last in (1..leaves.len()).rev() {
        let other = usize::try_from(rng.next_u64() % (last as u64 + 1)).unwrap_or(last);
        leaves.swap(last, other);
    }
    leaves.into_iter().map(|leaf_id| Granted { leaf_id, secret: AdminSecret::generate(rng) }).collect()
}

impl Session {
    /// The list after a change, all secrets drawn anew: whoever was an admin before knows nothing of it, and no
    /// commitment shows who stayed. Leaves that are no active members any more drop out.
    pub(super) fn changed_admins(
        &self,
        change: &AdminChange,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<Granted>, SessionError> {
        let mut leaves: Vec<_> = self.admins.granted.iter().map(|one| one.leaf_id).collect();
        match change {
            AdminChange::Grant(more) => {
                if !more.iter().all(|leaf| self.is_active(*leaf)) {
                    return Err(SessionError::NotPossible("only members who have joined can be admins"));
                }
                leaves.extend(more);
            }
            AdminChange::Revoke(fewer) => {
                if !fewer.iter().any(|leaf| leaves.contains(leaf)) {
                    return Err(SessionError::NotAnAdmin);
                }
                leaves.retain(|leaf| !fewer.contains(leaf));
            }
            AdminChange::Rotate => {}
        }
        leaves.retain(|leaf| self.is_active(*leaf));
        leaves.sort_unstable();
        leaves.dedup();
        if leaves.len() > MAX_ADMINS {
            return Err(SessionError::TooManyAdmins);
        }
        Ok(redraw(leaves, rng))
    }

    /// The list without leaves that are about to be removed, if that or an earlier departure changes it.
    pub(super) fn admins_without(
        &self,
        removed: &[LeafId],
        rng: &mut dyn CryptoRng,
    ) -> Result<Option<Vec<Granted>>, SessionError> {
        let goes = |one: &Granted| removed.contains(&one.leaf_id) || !self.is_active(one.leaf_id);
        if self.owner.is_none() || !self.admins.granted.iter().any(goes) {
            return Ok(None);
        }
        let stay = self.admins.granted.iter().filter(|one| !goes(one)).map(|one| one.leaf_id).collect();
        Ok(Some(redraw(stay, rng)))
    }

    pub(crate) fn is_active(&self, leaf: LeafId) -> bool {
        let slot = self.fold.tree().slot_of_leaf(leaf);
        slot.is_some_and(|slot| self.fold.tree().leaf(slot).active().is_some())
    }

    /// Whether this home may act as an admin now.
    pub(crate) fn is_admin(&self) -> bool {
        self.admins.own.is_some() && matches!(self.standing, Standing::Member)
    }

    /// What proves that a frame is by an admin.
    pub(super) fn admin_job(&self, digest: &FrameDigest) -> Result<Job, SessionError> {
        let own = self.admins.own.as_ref().ok_or(SessionError::AdminOnly)?;
        let statement =
            AdminStatement::new(*digest, self.fold.admin_root()).map_err(|_| SessionError::AdminOnly)?;
        let path: Option<AdminPath> =
            AdminTree::new(&own.commitments).ok().and_then(|tree| tree.path(own.position));
        Ok(Job::Admin(statement, own.secret.clone(), Box::new(path.ok_or(SessionError::AdminOnly)?)))
    }

    /// After an operation: under another root nobody is an admin by what was told before. `granted` is the list that
    /// goes with the new root, where the operation was ours.
    pub(super) fn note_admins(&mut self, before: AdminRoot, granted: Option<Vec<Granted>>) {
        if let Some(granted) = granted {
            self.admins.due = !granted.is_empty();
            self.admins.granted = granted;
        }
        if self.fold.admin_root() != before {
            self.admins.own = None;
        }
    }

    /// The list for all admins, if they have not all been told. Boxes of admins who are gone open for nobody.
    pub(crate) fn due_admins(&self, rng: &mut dyn CryptoRng) -> Option<Content> {
        let ready = self.admins.due && self.standing == Standing::Member && self.fold.is_clean();
        let granted = &self.admins.granted;
        if !ready || root(granted).ok()? != self.fold.admin_root() {
            return None;
        }
        let tree = self.fold.tree();
        let grants: Vec<Grant> = granted
            .iter()
            .map(|one| {
                let leaf = tree.slot_of_leaf(one.leaf_id).and_then(|slot| tree.leaf(slot).active());
                Grant {
                    commitment: one.secret.commitment(),
                    opening: one.secret.to_bytes(),
                    recipient: leaf.map_or_else(|| fresh_secret(rng).public(), |leaf| leaf.dh),
                }
            })
            .collect();
        let (suite, group, root) = (self.fold.suite(), self.group(), self.fold.admin_root());
        Admins::seal(suite, &group, &root, &grants, rng).ok().map(Content::Admins)
    }

    /// Our list came back from the log. Told is who can open a box: whose leaf is still the one it was sealed to.
    pub(super) fn posted_admins(&mut self, list: &Admins, epoch: Epoch) {
        let tree = self.fold.tree();
        let told = |one: &Granted| {
            let leaf = tree.slot_of_leaf(one.leaf_id).and_then(|slot| tree.leaf(slot).active());
            leaf.is_none_or(|leaf| leaf.since <= epoch)
        };
        let granted = &self.admins.granted;
        let current = granted.len() == list.commitments().len()
            && granted.iter().zip(list.commitments()).all(|(one, told)| one.secret.commitment() == *told);
        if current && granted.iter().all(told) {
            self.admins.due = false;
        }
    }

    /// Looks for the own box in a list. It is believed for what it is, whoever sent it: the list's root must be the
    /// one in force, and what the box holds must open the commitment at its place.
    pub(super) fn take_admins(&mut self, list: &Admins) {
        let root = self.fold.admin_root();
        let commitments = list.commitments();
        if AdminTree::new(commitments).is_ok_and(|tree| tree.root() == root)
            && let Some(opened) = list.open(self.fold.suite(), &self.group(), &root, &self.own.secret)
            && let Ok(secret) = AdminSecret::from_bytes(&opened.opening)
            && commitments.get(opened.position) == Some(&secret.commitment())
        {
            let (position, commitments) = (opened.position, commitments.to_vec());
            self.admins.own = Some(OwnAdmin { secret, position, commitments });
        }
    }
}

const _: () = assert!(OPENING_LEN == AdminSecret::LEN, "a box holds an opening");
