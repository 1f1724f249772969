//! What a group tells of itself.

use e2ee::comparison::ComparisonDigits;
use protocol::LeafId;
use serde::Serialize;

use crate::{
    entry::Person,
    error::Error,
    session::{Session, Standing},
};

/// A member as members see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberInfo {
    /// The name they chose, `None` while unknown.
    pub name: Option<String>,
    /// Their identity key in hexadecimal, `None` while unknown.
    pub identity: Option<String>,
    /// Name of their leaf.
    pub leaf_id: u64,
    /// Position of their leaf.
    pub slot: u32,
    /// Whether they have joined; otherwise they are invited.
    pub active: bool,
    /// Whether their identity signed the leaf as it is now.
    pub verified: bool,
    /// Whether it is this home.
    pub you: bool,
}

/// Why a home stopped trusting the history of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForkInfo {
    /// Position of the frame that showed it.
    pub seq: u64,
    /// What was wrong, as a code.
    pub reason: String,
    /// The member on whose signed word alone this rests, where it is one: they lie, or the node shows them another
    /// history than us.
    pub by: Option<Person>,
}

/// What is known of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupInfo {
    /// The group's id in hexadecimal.
    pub id: String,
    /// What this home calls it.
    pub title: String,
    /// The node that keeps it.
    pub server: String,
    /// Number of operations since it was founded.
    pub epoch: u64,
    /// Position of the last frame taken.
    pub seq: u64,
    /// `member`, `invited`, `lost`, `removed`, `closed` or `forked`.
    pub standing: &'static str,
    /// Why, where the standing is `forked`.
    pub fork: Option<ForkInfo>,
    /// Whether this home owns the group.
    pub owner: bool,
    /// Whether this home is an admin, as far as it was told.
    pub admin: bool,
    /// Whether no removal waits to be completed.
    pub clean: bool,
    /// `false` behind a gap in the history, until somebody known from before was heard: the group could be the
    /// node's invention.
    pub confirmed: bool,
    /// Members and invitees by slot.
    pub members: Vec<MemberInfo>,
    /// Structural hash of the key tree, in hexadecimal.
    pub tree_hash: String,
    /// Hash chain over the operations, in hexadecimal.
    pub transcript_hash: String,
    /// Hash chain over all frames, in hexadecimal.
    pub log_hash: String,
    /// Digits that all members of this epoch see alike, to compare out of band; `None` while a removal is pending.
    pub comparison: Option<String>,
    /// Open invitations.
    pub tickets: usize,
}

/// An admin as the owner knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdminInfo {
    /// Who.
    #[serde(flatten)]
    pub who: Person,
    /// `false` for one who left or was removed since; the next change of the list drops them.
    pub member: bool,
}

/// All leaves of the person a text names.
pub(super) fn find_member(session: &Session, name: &str) -> Result<Vec<LeafId>, Error> {
    let members: Vec<_> = member_infos(session).into_iter().filter(|m| !m.you).collect();
    let by_leaf: Vec<_> = members.iter().filter(|m| name.parse() == Ok(m.leaf_id)).collect();
    if let [one] = by_leaf.as_slice() {
        return Ok(vec![LeafId::new(one.leaf_id)]);
    }
    let is_meant = |m: &&MemberInfo| {
        let by_key = name.len() >= 8 && m.identity.as_ref().is_some_and(|key| key.starts_with(name));
        by_key || m.name.as_deref() == Some(name)
    };
    let found: Vec<_> = members.iter().filter(is_meant).collect();
    let mut identities: Vec<_> = found.iter().map(|m| m.identity.as_ref()).collect();
    identities.sort();
    identities.dedup();
    match identities.len() {
        0 => Err(Error::NoSuchMember(name.to_owned())),
        // All leaves of that person: a name is chosen for each.
        1 => Ok(members
            .iter()
            .filter(|m| found.iter().any(|f| f.leaf_id == m.leaf_id || f.identity == m.identity))
            .map(|m| LeafId::new(m.leaf_id))
            .collect()),
        _ => Err(Error::Ambiguous(name.to_owned())),
    }
}

fn member_infos(session: &Session) -> Vec<MemberInfo> {
    session
        .fold
        .tree()
        .leaves()
        .filter_map(|(slot, leaf)| {
            let live = leaf.live()?;
            let person = session.person(live.leaf_id);
            Some(MemberInfo {
                name: person.name,
                identity: person.identity,
                leaf_id: live.leaf_id.get(),
                slot: slot.get(),
                active: live.is_active(),
                verified: session.members.verified(&session.fold, live.leaf_id).is_some(),
                you: live.leaf_id == session.own.leaf_id,
            })
        })
        .collect()
}

pub(super) fn info(session: &Session) -> GroupInfo {
    let fold = &session.fold;
    let live = matches!(session.standing, Standing::Member | Standing::Invited);
    let comparison = (live && fold.is_clean())
        .then(|| ComparisonDigits::of_epoch(&session.schedule.authenticator).to_string());
    GroupInfo {
        id: fold.group().to_string(),
        title: session.title.clone(),
        server: session.server.clone(),
        epoch: fold.epoch().get(),
        seq: fold.seq().get(),
        standing: match session.standing {
            Standing::Invited => "invited",
            Standing::Member => "member",
            Standing::Lost => "lost",
            Standing::Removed(_) => "removed",
            Standing::Closed => "closed",
            Standing::Forked(_) => "forked",
        },
        fork: match &session.standing {
            Standing::Forked(evidence) => Some(ForkInfo {
                seq: evidence.seq.get(),
                reason: evidence.code.clone(),
                by: evidence.by.map(|leaf_id| session.person(leaf_id)),
            }),
            Standing::Invited
            | Standing::Member
            | Standing::Lost
            | Standing::Removed(_)
            | Standing::Closed => None,
        },
        owner: session.owner.is_some(),
        admin: session.is_admin(),
        clean: fold.is_clean(),
        confirmed: session.unconfirmed.is_none(),
        members: member_infos(session),
        tree_hash: fold.tree().hash().to_string(),
        transcript_hash: fold.transcript().to_string(),
        log_hash: fold.log().to_string(),
        comparison,
        tickets: fold.tickets().count(),
    }
}
