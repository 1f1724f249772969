//! A client that goes away halfway loses nothing and doubles nothing.

use api::{ErrorCode, frames::FrameReceipt};
use frame_log::Limit;
use protocol::Seq;

use crate::kit::{
    Club, Made, Site,
    site::{poll_once, soon},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_request_is_carried_out_whole_or_not_at_all() {
    let site = Site::start().await;
    let mut club = site.pair(80).await;
    let group = club.group();
    let mut sent: Vec<Made> = Vec::new();
    for round in 0..30_u32 {
        let made = if round % 10 == 9 { club.update(0) } else { club.message(&round.to_be_bytes()) };
        // The connection is given up after some steps, whatever has happened by then.
        let mut request = Box::pin(site.post(&made));
        for _ in 0..round * 3 {
            if poll_once(request.as_mut()).await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(request);
        // Unknown outcome: the same bytes again.
        let receipt: FrameReceipt = soon(site.post(&made)).await.decode();
        club.apply(&made);
        assert_eq!((receipt.receipt.seq, receipt.receipt.log), (club.state.seq(), club.state.log()));
        sent.push(made);
    }
    let page = site.store.read(&group, Seq::ZERO, Limit::MAX).await.unwrap();
    let stored: Vec<_> = page.records.iter().map(|record| record.th).collect();
    assert_eq!(stored, club.log.iter().map(|frame| frame.hash()).collect::<Vec<_>>());
    site.stop().await;
}

#[tokio::test]
async fn founding_too() {
    let site = Site::start().await;
    for seed in 0..6 {
        let (mut club, init) = Club::found(81 + seed);
        let mut request = Box::pin(site.post(&init));
        for _ in 0..u32::from(seed) * 40 {
            if poll_once(request.as_mut()).await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(request);
        site.post(&init).await.decode::<FrameReceipt>();
        let message = club.message(b"first");
        site.accept(&mut club, message).await;
    }
    site.stop().await;
}

#[tokio::test]
async fn a_stopping_node_answers_what_it_was_asked() {
    let site = Site::start().await;
    let mut club = site.found(90).await;
    let messages: Vec<Made> = (0..10_u8).map(|n| club.message(&[n; 20])).collect();
    let (store, group) = (site.store.clone(), club.group());
    let posts = futures_util::future::join_all(messages.iter().map(|made| {
        let request = site.client.post(site.url(&api::paths::frames(&group)));
        request.header("content-type", "application/protobuf").body(made.bytes.clone()).send()
    }));
    let posts = tokio::spawn(posts);
    tokio::task::yield_now().await;
    site.stop().await;
    let mut accepted = 0;
    for outcome in posts.await.unwrap() {
        // Connections that were not accepted any more are no answers.
        let Ok(response) = outcome else { continue };
        if response.status() == 200 {
            accepted += 1;
        } else {
            let status = response.status().as_u16();
            let problem = api::Problem::from_response(status, &response.bytes().await.unwrap());
            assert_eq!(problem.code(), ErrorCode::ShuttingDown);
        }
    }
    let head = store.head(&group).await.unwrap().unwrap();
    assert!(head.get() >= accepted, "{head} {accepted}");
}
