//! Followers get every frame, in order, once.

use std::sync::atomic::{AtomicBool, Ordering};

use api::{
    ErrorCode,
    events::{Event, ResetReason},
};
use protocol::Seq;
use rand_core::Rng;

use crate::kit::{Site, SiteOptions, generous, site::soon};

#[tokio::test]
async fn opens_at_once_and_says_where_it_stands() {
    let site = Site::start().await;
    let mut club = site.pair(50).await;
    let (group, token) = (club.group(), site.root_token(&mut club).await);
    let mut stream = site.follow(&group, None, None, &token).await.ok().unwrap();
    let Some(Event::Open { extent, next }) = soon(stream.next()).await else { panic!() };
    assert_eq!((extent.head, next, extent.horizon), (Seq::new(2), Seq::new(3), Seq::ZERO));
    assert_eq!(stream.retry, Some(u64::from(api::events::RETRY_MS)));
    let message = club.message(b"hello");
    site.accept(&mut club, message).await;
    let served = soon(stream.frame()).await;
    assert_eq!((served.seq, served.frame()), (Seq::new(3), club.log.last()));

    // After an event, without the query getting in the way.
    let id = format!("{}-1", extent.stream_epoch.get());
    let mut stream = site.follow(&group, Some(0), Some(&id), &token).await.ok().unwrap();
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { next, .. }) if next == Seq::new(2)));
    assert_eq!(soon(stream.frame()).await.seq, Seq::new(2));

    // Positions that were never given, and another life of the log.
    let other = format!("{}-1", extent.stream_epoch.get() + 1);
    for (from, id) in [(Some(99), None), (None, Some(other.as_str()))] {
        let mut stream = site.follow(&group, from, id, &token).await.ok().unwrap();
        match soon(stream.next()).await {
            Some(Event::Reset { reason, extent }) => {
                assert_eq!((reason, extent.head), (ResetReason::Restored, Seq::new(3)));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(soon(stream.next()).await, None);
    }
    let refused = site.follow(&group, None, Some("junk"), &token).await.err().unwrap();
    assert_eq!(refused.code(), ErrorCode::InvalidRequest);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_gap_under_continuous_posting_and_random_reconnects() {
    const FRAMES: u64 = 150;
    const FOLLOWERS: u64 = 12;
    let mut config = generous();
    // Small enough that readers fall out of it all the time.
    config.groups.tail_frames = 4.try_into().unwrap();
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let mut club = site.found(51).await;
    let (group, token) = (club.group(), site.root_token(&mut club).await);
    let mut messages = Vec::new();
    for n in 0..FRAMES {
        let made = club.message(&n.to_be_bytes());
        club.apply(&made);
        messages.push(made);
    }
    let done = AtomicBool::new(false);
    let posting = async {
        for made in &messages {
            assert_eq!(site.post(made).await.status, 200);
        }
        done.store(true, Ordering::SeqCst);
    };
    let follow = async |n: u64| {
        let mut rng = <chacha20::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(n);
        let mut seen = Vec::new();
        let mut last: Option<String> = None;
        while (seen.len() as u64) < FRAMES + 1 {
            let from = last.is_none().then_some(0);
            let mut stream = site.follow(&group, from, last.as_deref(), &token).await.ok().unwrap();
            assert!(matches!(stream.next().await, Some(Event::Open { .. })));
            let take = 1 + rng.next_u32() % 20;
            for _ in 0..take {
                if seen.len() as u64 > FRAMES {
                    break;
                }
                match stream.next().await {
                    Some(Event::Frame { id, frame }) => {
                        last = Some(id.to_string());
                        seen.push(frame.decode().unwrap());
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        seen
    };
    let following = futures_util::future::join_all((0..FOLLOWERS).map(&follow));
    let ((), all) = soon(async { tokio::join!(posting, following) }).await;
    assert!(done.load(Ordering::SeqCst));
    for seen in all {
        assert_eq!(seen.len(), club.log.len());
        for (at, (served, frame)) in seen.iter().zip(&club.log).enumerate() {
            assert_eq!((served.seq, served.hash()), (Seq::new(at as u64), frame.hash()));
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn too_many_followers_are_told_to_come_later() {
    let mut config = generous();
    config.follow.max_followers = 2.try_into().unwrap();
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let mut club = site.found(52).await;
    let (group, token) = (club.group(), site.root_token(&mut club).await);
    let one = site.follow(&group, None, None, &token).await.ok().unwrap();
    let _two = site.follow(&group, None, None, &token).await.ok().unwrap();
    let refused = site.follow(&group, None, None, &token).await.err().unwrap();
    assert_eq!((refused.status, refused.code()), (503, ErrorCode::TooManyFollowers));
    assert_eq!(refused.headers["retry-after"], "5");
    // A place that is given up is given out again.
    drop(one);
    soon(async {
        while site.follow(&group, None, None, &token).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    site.stop().await;
}

#[tokio::test]
async fn streams_end_with_a_hint_when_the_node_stops() {
    let site = Site::start().await;
    let mut club = site.found(53).await;
    let (group, token) = (club.group(), site.root_token(&mut club).await);
    let mut stream = site.follow(&group, None, None, &token).await.ok().unwrap();
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    let stopping = tokio::spawn(site.stop());
    match soon(stream.next()).await {
        Some(Event::Problem(problem)) => assert_eq!(problem.code(), ErrorCode::ShuttingDown),
        other => panic!("{other:?}"),
    }
    assert_eq!(soon(stream.next()).await, None);
    soon(stopping).await.unwrap();
}
