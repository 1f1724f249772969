//! Two nodes on one log: the log decides, and both tell the same.

use api::{ErrorCode, events::Event, frames::FrameReceipt};
use frame_log::Limit;
use protocol::Seq;

use crate::kit::{Made, Site, SiteOptions, site::soon};

async fn pair() -> (Site, Site) {
    let one = Site::start().await;
    let two = Site::with(SiteOptions {
        store: one.store.clone(),
        others: one.others.clone(),
        clock: one.clock.clone(),
        origin: Some(one.node.origin().clone()),
        ..Default::default()
    })
    .await;
    (one, two)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_winner_for_every_position() {
    let (one, two) = pair().await;
    let mut club = one.found(70).await;
    let (group, token) = (club.group(), one.root_token(&mut club).await);
    let messages: Vec<Made> = (0..40_u8).map(|n| club.message(&[n; 20])).collect();
    let mut streams = Vec::new();
    for site in [&one, &two] {
        let mut stream = site.follow(&group, Some(0), None, &token).await.ok().unwrap();
        assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
        streams.push(stream);
    }
    let (odd, even): (Vec<_>, Vec<_>) = messages.iter().enumerate().partition(|(n, _)| n % 2 == 1);
    let send = async |site: &Site, mine: Vec<(usize, &Made)>| {
        let mut receipts = Vec::new();
        for (_, made) in mine {
            receipts.push(site.post(made).await.decode::<FrameReceipt>());
        }
        receipts
    };
    let (a, b) = soon(async { tokio::join!(send(&one, odd), send(&two, even)) }).await;
    let mut positions: Vec<u64> = a.iter().chain(&b).map(|receipt| receipt.receipt.seq.get()).collect();
    positions.sort_unstable();
    assert_eq!(positions, (1..=40).collect::<Vec<_>>());

    // What the receipts say is what the log holds and what followers of either node get.
    let page = one.store.read(&group, Seq::ZERO, Limit::MAX).await.unwrap();
    for receipt in a.iter().chain(&b) {
        let made = messages.iter().find(|made| {
            page.records[usize::try_from(receipt.receipt.seq.get()).unwrap()].th == made.frame.hash()
        });
        assert!(made.is_some());
    }
    for mut stream in streams {
        for record in &page.records {
            let served = soon(stream.frame()).await;
            assert_eq!((served.seq, served.hash()), (record.seq, record.th));
        }
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_operation_for_every_epoch() {
    let (one, two) = pair().await;
    let mut club = one.pair(71).await;
    for _ in 0..3 {
        let (a, b) = (club.update(0), club.update(1));
        let (first, second) = tokio::join!(one.post(&a), two.post(&b));
        let (winner, loser) = if first.status == 200 { (&a, second) } else { (&b, first) };
        assert_eq!(loser.code(), ErrorCode::StaleEpoch);
        club.apply(winner);
        assert_eq!(loser.problem().epoch(), Some(club.state.epoch()));
    }
    // Each node has learnt what the other did.
    let message = club.message(b"same state");
    one.accept(&mut club, message).await;
    let message = club.message(b"on both");
    two.accept(&mut club, message).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_removal_at_one_node_cuts_followers_of_the_other() {
    let (one, two) = pair().await;
    let mut club = one.pair(72).await;
    let (group, member) = (club.group(), club.member(1).clone());
    let token = two.leaf_token(&club, &member).await;
    let mut stream = two.follow(&group, None, None, &token).await.ok().unwrap();
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    let remove = club.remove(0, 1);
    one.accept(&mut club, remove).await;
    let message = club.message(b"not for you");
    one.accept(&mut club, message).await;
    assert_eq!(soon(stream.frame()).await.seq, Seq::new(3));
    match soon(stream.next()).await {
        Some(Event::Problem(problem)) => assert_eq!(problem.code(), ErrorCode::TokenRevoked),
        other => panic!("{other:?}"),
    }
    one.stop().await;
    two.stop().await;
}
