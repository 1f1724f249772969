//! What policies no longer keep goes, and those who miss it are told where history begins.

use std::time::Duration;

use api::{
    ErrorCode,
    events::{Event, ResetReason},
    frames::FramesPage,
    paths::FrameForm,
};
use frame_log::Limit;
use protocol::{Epoch, Seq, body::Policy, frame::Served};

use crate::kit::{
    Club, Site, SiteOptions,
    club::{DAY, policy},
    generous,
    site::soon,
};

fn days(n: u64) -> Duration {
    Duration::from_secs(n * DAY)
}

async fn site() -> Site {
    let mut config = generous();
    config.groups.snapshot_operations = 2.try_into().unwrap();
    Site::with(SiteOptions { config, ..Default::default() }).await
}

#[tokio::test]
async fn messages_go_before_operations() {
    let site = site().await;
    let rules = Policy { message_retention: DAY, operation_retention: 10 * DAY, ..policy() };
    let (mut club, init) = Club::found_with(100, rules);
    site.accept(&mut club, init).await;
    for n in 0..6_u8 {
        let update = club.update(0);
        site.accept(&mut club, update).await;
        let message = club.message(&[n; 30]);
        site.accept(&mut club, message).await;
    }
    let group = club.group();
    assert_eq!(site.node.sweep().await, Ok(0));

    site.clock.advance(days(2));
    club.now += 2 * DAY;
    let message = club.message(b"recent");
    site.accept(&mut club, message).await;
    assert_eq!(site.node.sweep().await, Ok(6));
    let token = site.root_token(&mut club).await;
    let page = site.page(&group, 0, &token).await;
    assert_eq!(page.horizon, Seq::ZERO);
    for (frame, made) in page.frames.iter().zip(&club.log) {
        let served = frame.decode().unwrap();
        assert_eq!(served.hash(), made.hash());
        let recent = served.seq == club.state.seq();
        let kept = made.kind().is_operation() || recent;
        assert_eq!(matches!(served.content, Served::Frame(_)), kept, "{served:?}");
    }

    // Ten days later the operations go too, as far as a snapshot stands in for them.
    site.clock.advance(days(9));
    club.now += 9 * DAY;
    let update = club.update(0);
    site.accept(&mut club, update).await;
    assert!(site.node.sweep().await.unwrap() > 0);
    let token = site.root_token(&mut club).await;
    let problem = site.page_reply(&group, 0, FrameForm::Full, &token).await.problem();
    assert_eq!(problem.code(), ErrorCode::HistoryGap);
    let horizon = problem.horizon().unwrap();
    assert!(horizon > Seq::ZERO && horizon < club.state.seq());
    let page: FramesPage = site.page(&group, horizon.get(), &token).await;
    assert_eq!(page.horizon, horizon);
    assert!(page.frames.iter().all(|frame| frame.decode().is_ok()));

    // Followers are told, before they get any of it.
    let mut stream = site.follow(&group, Some(0), None, &token).await.ok().unwrap();
    match soon(stream.next()).await {
        Some(Event::Reset { reason, extent }) => {
            assert_eq!((reason, extent.horizon), (ResetReason::HistoryGap, horizon));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(soon(stream.next()).await, None);

    // States of epochs that are kept are served, earlier ones are not.
    assert_eq!(site.tree_reply(&group, Some(Epoch::new(1)), &token).await.problem().horizon(), Some(horizon));
    let last = Epoch::new(club.state.epoch().get() - 1);
    assert_eq!(site.tree(&group, Some(last), &token).await.epoch, last);

    // Frames that are gone are still known by their ids.
    let first = club.log[1].clone();
    let again: api::frames::FrameReceipt = site.post_bytes(&group, first.encode().unwrap()).await.decode();
    assert!(again.duplicate);
    assert_eq!(again.receipt.seq, Seq::new(1));

    // All this outlives the process.
    let store = site.store.clone();
    site.stop().await;
    let site = Site::with(SiteOptions { store, ..Default::default() }).await;
    site.clock.advance(days(11));
    let token = site.root_token(&mut club).await;
    let problem = site.page_reply(&group, 0, FrameForm::Full, &token).await.problem();
    assert_eq!(problem.horizon(), Some(horizon));
    let message = club.message(b"and on it goes");
    site.accept(&mut club, message).await;
    site.stop().await;
}

#[tokio::test]
async fn what_an_invitee_needs_is_kept() {
    let site = site().await;
    let rules = Policy { operation_retention: DAY, ..policy() };
    let (mut club, init) = Club::found_with(101, rules);
    site.accept(&mut club, init).await;
    for _ in 0..3 {
        let update = club.update(0);
        site.accept(&mut club, update).await;
    }
    let add = club.add(0);
    site.accept(&mut club, add).await;
    let (added, epoch) = (club.state.seq(), club.state.epoch());
    for _ in 0..3 {
        let update = club.update(0);
        site.accept(&mut club, update).await;
    }
    site.clock.advance(days(2));
    club.now += 2 * DAY;
    site.node.sweep().await.unwrap();
    let group = club.group();
    let invited = site.leaf_token(&club, club.member(1)).await;
    let page = site.page(&group, added.get(), &invited).await;
    assert!(page.frames.iter().all(|frame| matches!(frame.decode().unwrap().content, Served::Frame(_))));
    assert_eq!(site.tree(&group, Some(epoch), &invited).await.seq, added);
    // Once it has joined, nobody needs the way there.
    let join = club.update(1);
    site.accept(&mut club, join).await;
    site.clock.advance(days(2));
    club.now += 2 * DAY;
    assert!(site.node.sweep().await.unwrap() > 0);
    let kept = site.store.read(&group, added, Limit::new(1, 0)).await.unwrap();
    assert!(kept.records[0].frame.is_none());
    site.stop().await;
}
