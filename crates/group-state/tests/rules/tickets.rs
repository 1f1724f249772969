//! Open invitations.

use protocol::{
    Kind, LeafId, Refusal, UnixSeconds, VerifyingKey,
    body::{Body, IssueTicket},
    limits::{MAX_TICKET_USES, MAX_TICKETS},
};

use crate::{
    scene::{A, B, C, I, V, clean},
    support::{DAY, Draft, Field, Group, slot},
};

fn issue(group: &mut Group, uses: u32, after: u64) -> Draft {
    let body = IssueTicket { doer: slot(A), ticket: group.fresh_key(), uses, expires: group.expires(after) };
    group.plain(Body::IssueTicket(body))
}

fn open(group: &Group) -> Vec<VerifyingKey> {
    group.state.tickets().map(|ticket| ticket.key).collect()
}

#[test]
fn it_is_kept_as_issued() {
    let mut scene = clean();
    let draft = issue(&mut scene.group, 5, DAY);
    scene.group.accept(&draft);
    let Body::IssueTicket(body) = draft.head.body else { panic!("a ticket") };
    let kept = scene.group.state.ticket(&body.ticket).unwrap();
    assert_eq!((kept.uses_left, kept.expires, kept.issuer), (5, body.expires, scene.group.leaf_id(A)));
    assert_eq!(open(&scene.group).len(), 2);
    assert!(open(&scene.group).is_sorted());
}

#[test]
fn it_has_one_to_so_many_uses() {
    let mut scene = clean();
    for uses in [0, MAX_TICKET_USES + 1, u32::MAX] {
        let draft = issue(&mut scene.group, uses, DAY);
        scene.group.refuse(&format!("{uses} uses"), &draft, Refusal::WrongStructure);
    }
    for uses in [1, MAX_TICKET_USES] {
        let draft = issue(&mut scene.group, uses, DAY);
        scene.group.accept(&draft);
    }
}

#[test]
fn it_expires_in_the_future_and_within_the_policy() {
    let mut scene = clean();
    for (after, ok) in [
        (0, false),
        (1, true),
        (7 * DAY, true),
        (7 * DAY + 1, false),
        (u64::MAX - 1 - scene.group.now, false),
    ] {
        let draft = issue(&mut scene.group, 1, after);
        if ok {
            assert!(scene.group.offer(&draft).is_ok(), "{after}");
        } else {
            scene.group.refuse(&format!("after {after} s"), &draft, Refusal::BadExpiry);
        }
    }
}

#[test]
fn there_are_at_most_thirty_two() {
    let mut scene = clean();
    while open(&scene.group).len() < MAX_TICKETS {
        let draft = issue(&mut scene.group, 1, DAY);
        scene.group.accept(&draft);
    }
    let one_more = issue(&mut scene.group, 1, DAY);
    scene.group.refuse("one more", &one_more, Refusal::TooManyTickets);
    // Those that lapsed with the passing of time make room in the same step.
    scene.group.now += 2 * DAY;
    let later = issue(&mut scene.group, 1, DAY);
    scene.group.accept(&later);
    assert_eq!(open(&scene.group).len(), 1);
}

#[test]
fn its_key_is_open_once() {
    let mut scene = clean();
    let body =
        IssueTicket { doer: slot(B), ticket: scene.ticket, uses: 1, expires: scene.group.expires(DAY) };
    let draft = scene.group.plain(Body::IssueTicket(body));
    scene.group.refuse("the same key", &draft, Refusal::TicketExists);
}

#[test]
fn it_is_gone_with_its_last_use() {
    let mut scene = clean();
    let ticket = scene.ticket;
    assert_eq!(scene.group.state.ticket(&ticket).unwrap().uses_left, 2);
    let first = scene.group.join(ticket);
    scene.group.accept(&first);
    assert_eq!(scene.group.state.ticket(&ticket).unwrap().uses_left, 1);
    let second = scene.group.join(ticket);
    scene.group.accept(&second);
    assert_eq!(scene.group.state.ticket(&ticket), None);
    let third = scene.group.join(ticket);
    scene.group.refuse("a third", &third, Refusal::NoSuchTicket);
}

#[test]
fn it_lapses_with_the_time_of_operations() {
    let mut scene = clean();
    let ticket = scene.ticket;
    scene.group.now += DAY;
    let in_time = scene.group.join(ticket);
    assert!(scene.group.offer(&in_time).is_ok(), "at the very second");
    scene.group.now += 1;
    let late = scene.group.join(ticket);
    scene.group.refuse("a second later", &late, Refusal::NoSuchTicket);
    let revoke = scene.group.revoke(A, ticket);
    scene.group.refuse("nothing to revoke", &revoke, Refusal::NoSuchTicket);
    let update = scene.group.update(C);
    scene.group.accept(&update);
    assert_eq!(open(&scene.group), []);
}

#[test]
fn a_message_lets_none_lapse() {
    let mut scene = clean();
    scene.group.now += 2 * DAY;
    let message = scene.group.message();
    let ctx = scene.group.state.ctx();
    scene.group.accept(&message);
    assert_eq!(scene.group.state.ctx(), ctx);
    assert_eq!(open(&scene.group), [scene.ticket]);
}

#[test]
fn an_unknown_one_is_none() {
    let mut scene = clean();
    let unknown = scene.group.fresh_key();
    let join = scene.group.join(unknown);
    scene.group.refuse("joining", &join, Refusal::NoSuchTicket);
    let revoke = scene.group.revoke(A, unknown);
    assert!(revoke.has(Field::Owner), "it has no issuer");
    scene.group.refuse("revoking", &revoke, Refusal::NoSuchTicket);
}

#[test]
fn a_revoked_one_is_none() {
    let mut scene = clean();
    let ticket = scene.ticket;
    let revoke = scene.group.revoke(B, ticket);
    scene.group.accept(&revoke);
    let join = scene.group.join(ticket);
    scene.group.refuse("joining", &join, Refusal::NoSuchTicket);
}

#[test]
fn it_is_signed_for_by_its_own_key() {
    let mut scene = clean();
    let ticket = scene.ticket;
    let (issue, other) = scene.group.issue(B);
    scene.group.accept(&issue);
    let join = scene.group.join(ticket);
    let signer = scene.group.signer(&other);
    scene.group.refuse("by another ticket", &join.with(Field::Ticket, signer), Refusal::BadSignature);
}

#[test]
fn none_survives_a_removal() {
    for named in [vec![C], vec![B, C], vec![I]] {
        for kind in [Kind::MarkRemoved, Kind::RemoveMembers, Kind::Leave] {
            let mut scene = clean();
            let draft = match kind {
                Kind::MarkRemoved => scene.group.mark(&named),
                Kind::RemoveMembers => scene.group.remove(A, &named),
                _ => scene.group.leave(named[0]),
            };
            scene.group.accept(&draft);
            assert_eq!(open(&scene.group), [], "{kind:?} of {named:?}");
        }
    }
}

#[test]
fn marking_ones_own_leaves_takes_ones_own_tickets() {
    let mut scene = clean();
    let (issue, by_b) = scene.group.issue(B);
    scene.group.accept(&issue);
    let mark = scene.group.mark_own(B, &[V]);
    scene.group.accept(&mark);
    assert_eq!(open(&scene.group), [scene.ticket], "A's is not B's to close: {by_b}");
}

#[test]
fn an_overdue_invite_leaves_them_open() {
    let mut scene = clean();
    scene.group.now += DAY;
    let (issue, ticket) = scene.group.issue(B);
    scene.group.accept(&issue);
    scene.group.now += 1;
    let expire = scene.group.expire(C, &[I]);
    scene.group.accept(&expire);
    assert_eq!(open(&scene.group), [ticket]);
}

#[test]
fn they_are_part_of_the_state() {
    let mut scene = clean();
    let before = scene.group.state.clone();
    let ticket = scene.ticket;
    let revoke = scene.group.revoke(A, ticket);
    scene.group.accept(&revoke);
    assert_ne!(scene.group.state.ctx(), before.ctx());
    assert_eq!(before.tickets().next().map(|ticket| ticket.issuer), Some(LeafId::ZERO));
    assert!(before.tickets().all(|ticket| ticket.expires > UnixSeconds::ZERO));
}
