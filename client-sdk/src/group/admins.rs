//! Removing members, and who besides the owner may.

use protocol::LeafId;

use super::{
    Group,
    info::{AdminInfo, find_member},
};
use crate::{
    error::Error,
    live::Live,
    session::{AdminChange, Intent, SessionError},
};

impl Group {
    /// Removes a person, with all their leaves, and completes the removal. By name, identity key or leaf id.
    ///
    /// Everybody sees which leaf did it. Where the owner removes an admin, the right goes in the same step.
    ///
    /// # Errors
    /// As [`Self::update_keys`]; only the owner and admins may; [`Error::NoSuchMember`] or [`Error::Ambiguous`] for
    /// the name.
    pub async fn remove(&self, member: &str) -> Result<(), Error> {
        let (live, leaves) = self.to_remove(member).await?;
        let live = live.submit(Intent::Remove(leaves)).await?.heal_if_dirty().await?;
        live.tell_admins().await.map(drop)
    }

    /// Marks a person, with all their leaves, for removal, and leaves it to others to complete: neither the node nor
    /// the members learn which admin did it. (The owner's mark shows that it is the owner's.) From the mark on the
    /// person has no rights; the next member to send anything completes the removal. If that is this home, its leaf is
    /// seen completing it.
    ///
    /// # Errors
    /// As [`Self::remove`].
    pub async fn remove_anonymously(&self, member: &str) -> Result<(), Error> {
        let (live, leaves) = self.to_remove(member).await?;
        live.submit(Intent::Mark(leaves)).await.map(drop)
    }

    async fn to_remove(&self, member: &str) -> Result<(Live, Vec<LeafId>), Error> {
        let live = self.load().await?.sync().await?;
        live.session.check_live()?;
        live.session.check_admin()?;
        let leaves = find_member(&live.session, member)?;
        Ok((live, leaves))
    }

    /// Makes a person an admin, with all their leaves that have joined, and tells all admins. By name, identity key or
    /// leaf id. Only the owner may; for somebody who is an admin already it draws new secrets, which is what a home
    /// needs that lost its own.
    ///
    /// # Errors
    /// As [`Self::remove`]; [`Error::NotPossible`] (`not_possible`) for an invitee, (`too_many`) beyond 256 admins.
    pub async fn grant_admin(&self, member: &str) -> Result<(), Error> {
        let live = self.as_owner().await?;
        let mut leaves = find_member(&live.session, member)?;
        let tree = live.session.fold.tree();
        let joined =
            |leaf: &LeafId| tree.slot_of_leaf(*leaf).is_some_and(|slot| tree.leaf(slot).active().is_some());
        if leaves.iter().any(joined) {
            leaves.retain(joined);
        }
        live.submit(Intent::SetAdmins(AdminChange::Grant(leaves))).await?.tell_admins().await.map(drop)
    }

    /// Takes the admin's right from a person. From this step on no proof of theirs holds; the others go on with new
    /// secrets. Only the owner may.
    ///
    /// # Errors
    /// As [`Self::remove`]; [`Error::NotPossible`] (`not_an_admin`).
    pub async fn revoke_admin(&self, member: &str) -> Result<(), Error> {
        let live = self.as_owner().await?;
        let leaves = find_member(&live.session, member)?;
        live.submit(Intent::SetAdmins(AdminChange::Revoke(leaves))).await?.tell_admins().await.map(drop)
    }

    /// Gives all admins new secrets, for when one may have been copied. Admins who are no members any more drop out;
    /// so do admins whom an earlier owner made. Only the owner may.
    ///
    /// # Errors
    /// As [`Self::update_keys`].
    pub async fn rotate_admins(&self) -> Result<(), Error> {
        let live = self.as_owner().await?;
        live.submit(Intent::SetAdmins(AdminChange::Rotate)).await?.tell_admins().await.map(drop)
    }

    /// Whether this home is an admin of the group, as far as it was told. The owner, who may all that an admin may, is
    /// none by that.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`] or [`Error::Store`].
    pub async fn is_admin(&self) -> Result<bool, Error> {
        Ok(self.load().await?.session.is_admin())
    }

    /// The admins, which the owner alone knows: for everybody else the list is empty.
    ///
    /// # Errors
    /// [`Error::NoSuchGroup`] or [`Error::Store`].
    pub async fn admins(&self) -> Result<Vec<AdminInfo>, Error> {
        let live = self.load().await?;
        let session = &live.session;
        let mut admins: Vec<_> = session
            .admins
            .granted
            .iter()
            .map(|one| AdminInfo { who: session.person(one.leaf_id), member: session.is_active(one.leaf_id) })
            .collect();
        admins.sort_by_key(|admin| admin.who.leaf_id);
        Ok(admins)
    }

    async fn as_owner(&self) -> Result<Live, Error> {
        let live = self.load().await?.sync().await?;
        live.session.check_live()?;
        if live.session.owner.is_none() {
            return Err(SessionError::OwnerOnly.into());
        }
        Ok(live)
    }
}
