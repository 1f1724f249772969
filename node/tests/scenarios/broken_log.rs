//! A log that does not fold is not served, and nothing else is disturbed.

use api::ErrorCode;
use bytes::Bytes;
use frame_log::{Record, UnixMillis};
use protocol::{Epoch, Seq};

use crate::kit::{Club, Made, START, Site, SiteOptions};

fn record(made: &Made, epoch: u64) -> Record {
    Record {
        frame: Bytes::from(made.bytes.clone()),
        frame_id: made.frame.head().frame_id,
        th: made.frame.hash(),
        received_at: UnixMillis::new(START * 1_000),
        epoch: Epoch::new(epoch),
        is_operation: made.frame.kind().is_operation(),
    }
}

#[tokio::test]
async fn an_operation_that_is_refused_stops_the_group_and_nothing_else() {
    let site = Site::start().await;
    let (mut club, init) = Club::found(130);
    let mut other = site.found(131).await;
    let group = club.group();
    let forged = club.update(0).changed(|frame| frame.proofs[0] = init.frame.proofs[0]);
    site.store.append(&group, Seq::ZERO, record(&init, 0)).await.unwrap();
    site.store.append(&group, Seq::new(1), record(&forged, 0)).await.unwrap();

    let message = club.message(b"x");
    for _ in 0..3 {
        let reply = site.post(&message).await;
        assert_eq!((reply.status, reply.code()), (500, ErrorCode::Internal));
        assert_eq!(reply.problem().detail(), None);
    }
    // Folded once, remembered as broken after that.
    assert_eq!(site.measured("node_groups_broken_total"), 1);
    let message = other.message(b"fine");
    site.accept(&mut other, message).await;
    site.stop().await;
}

#[tokio::test]
async fn a_group_that_breaks_while_it_is_served_is_served_no_more() {
    let site = Site::start().await;
    let mut club = site.found(132).await;
    let token = site.root_token(&mut club).await;
    let mut stream = site.follow(&club.group(), None, None, &token).await.ok().unwrap();
    assert!(matches!(stream.next().await, Some(api::events::Event::Open { .. })));
    // Another writer, which does not check what it writes.
    let init = club.log[0].clone();
    let forged = club.update(0).changed(|frame| frame.proofs[0] = init.proofs[0]);
    site.store.append(&club.group(), Seq::new(1), record(&forged, 0)).await.unwrap();
    match crate::kit::site::soon(stream.next()).await {
        Some(api::events::Event::Problem(problem)) => assert_eq!(problem.code(), ErrorCode::Internal),
        other => panic!("{other:?}"),
    }
    let message = club.message(b"x");
    assert_eq!(site.post(&message).await.code(), ErrorCode::Internal);
    assert!(site.measured("node_groups_broken_total") >= 1);
    site.stop().await;
}

#[tokio::test]
async fn an_unreadable_snapshot_costs_time_and_nothing_else() {
    let site = Site::start().await;
    let mut club = site.pair(133).await;
    let message = club.message(b"x");
    site.accept(&mut club, message).await;
    let store = site.store.clone();
    site.stop().await;
    store.put_snapshot(&club.group(), Seq::new(3), Bytes::from_static(b"junk")).await.unwrap();
    let site = Site::with(SiteOptions { store, ..Default::default() }).await;
    let message = club.message(b"y");
    site.accept(&mut club, message).await;
    assert!(site.measured("node_snapshots_total{outcome=\"unreadable\"}") >= 1);
    site.stop().await;
}
