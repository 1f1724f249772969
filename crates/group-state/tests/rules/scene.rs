//! The group most rules are tried on, and one acceptable frame of each kind.

use std::sync::OnceLock;

use group_state::author::Own;
use protocol::{AdminRoot, Kind, VerifyingKey, body::Body};

use crate::support::{Draft, Group, policy};

/// Creator in slot 0, who invited everybody and issued the ticket.
pub const A: u32 = 0;
/// Active; keyed the vacant slot.
pub const B: u32 = 1;
/// Active, and nothing else.
pub const C: u32 = 2;
/// Invited by A.
pub const I: u32 = 3;
/// Vacant, keyed by B.
pub const V: u32 = 4;

#[derive(Clone)]
pub struct Scene {
    pub group: Group,
    /// Issued by A, two uses left.
    pub ticket: VerifyingKey,
}

/// `AAAIV---` and an open ticket.
pub fn clean() -> Scene {
    static CLEAN: OnceLock<Scene> = OnceLock::new();
    CLEAN.get_or_init(make_clean).clone()
}

fn make_clean() -> Scene {
    let mut group = Group::found(1);
    assert_eq!((group.added(A), group.added(A)), (B, C));
    let invite = group.add(A, 1);
    group.accept(&invite);
    let gone = group.joined(B);
    assert_eq!(gone, V);
    let removal = group.remove(B, &[gone]);
    group.accept(&removal);
    let (issue, ticket) = group.issue(A);
    group.accept(&issue);
    assert_eq!(group.row(), "AAAIV---");
    Scene { group, ticket }
}

/// `AADIV---`: C is marked.
pub fn dirty() -> Scene {
    static DIRTY: OnceLock<Scene> = OnceLock::new();
    DIRTY.get_or_init(make_dirty).clone()
}

fn make_dirty() -> Scene {
    let mut scene = clean();
    let mark = scene.group.mark(&[C]);
    scene.group.accept(&mark);
    assert_eq!(scene.group.row(), "AADIV---");
    scene
}

/// One frame of a kind with all its demands met; whether it is accepted depends on the scene.
pub fn draft(scene: &mut Scene, kind: Kind) -> Draft {
    let ticket = scene.ticket;
    let group = &mut scene.group;
    match kind {
        Kind::Init => crate::support::init(1, policy()).0,
        Kind::AddMembers => group.add(A, 2),
        Kind::UpdateKey => group.rotate(B),
        Kind::IssueTicket => group.issue(B).0,
        Kind::RevokeTicket => group.revoke(B, ticket),
        Kind::Join => group.join(ticket),
        Kind::Rejoin => group.rejoin(B),
        Kind::Leave => group.leave(B),
        Kind::MarkRemoved => group.mark(&[B]),
        Kind::Expire => {
            group.now += 8 * crate::support::DAY;
            group.expire(B, &[I])
        }
        Kind::MarkOwn => group.mark_own(B, &[V]),
        Kind::Heal => group.heal_with(A, None, Own::Keep),
        Kind::RemoveMembers => {
            let own = group.own_update();
            group.heal_with(A, Some(crate::support::marks(&[C])), own)
        }
        Kind::SetPolicy => group.plain(Body::SetPolicy(policy())),
        Kind::SetAdmins => group.plain(Body::SetAdmins(AdminRoot::new([7; 32]))),
        Kind::TransferOwner => {
            let key = group.fresh_key();
            group.plain(Body::TransferOwner(key))
        }
        Kind::Close => group.plain(Body::Close),
        Kind::Message => group.message(),
    }
}

/// Where a frame of the kind is acceptable: a heal needs something to heal.
pub fn scene_for(kind: Kind) -> Scene {
    if kind == Kind::Heal { dirty() } else { clean() }
}
