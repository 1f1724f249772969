//! Full queues and empty buckets are said, not suffered.

use api::{ErrorCode, frames::FrameReceipt};
use frame_log::Limit;
use protocol::{AdminRoot, Seq, body::Body};
use service_kit::limiter::Quota;

use crate::kit::{Club, Made, Site, SiteOptions, generous, site::soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_are_bounded() {
    let mut config = generous();
    config.verify.workers = Some(1.try_into().unwrap());
    config.verify.queue = 2.try_into().unwrap();
    config.groups.mailbox = 2.try_into().unwrap();
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let mut club = site.found(110).await;
    let group = club.group();
    let messages: Vec<Made> = (0..60_u8).map(|n| club.message(&vec![n; 2_000])).collect();
    let replies = soon(futures_util::future::join_all(messages.iter().map(|made| site.post(made)))).await;
    let mut accepted = Vec::new();
    for (made, reply) in messages.iter().zip(&replies) {
        if reply.status == 200 {
            accepted.push(made.frame.hash());
            continue;
        }
        let problem = reply.problem();
        assert_eq!((reply.status, problem.code()), (503, ErrorCode::Busy));
        assert!(problem.code().is_retryable() && problem.code().has_no_side_effects());
        assert_eq!(reply.headers["retry-after"], "1");
    }
    assert!(!accepted.is_empty() && accepted.len() < messages.len(), "{} of 60", accepted.len());
    let page = site.store.read(&group, Seq::ZERO, Limit::MAX).await.unwrap();
    let mut stored: Vec<_> = page.records.iter().skip(1).map(|record| record.th).collect();
    stored.sort();
    accepted.sort();
    assert_eq!(stored, accepted);
    // Who was turned away comes again.
    for made in &messages {
        soon(site.post(made)).await.decode::<FrameReceipt>();
    }
    site.stop().await;
}

#[tokio::test]
async fn marks_that_name_nobody_share_one_rate() {
    let mut config = generous();
    config.rates.leaf_operations = Quota { per_minute: 1, burst: 1 };
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let mut club = site.pair(115).await;
    let set = club.plain(Body::SetAdmins(AdminRoot::new([1; 32])));
    site.accept(&mut club, set).await;
    let before = site.checks("proofs");
    assert_eq!(site.post(&club.forged_mark(1)).await.code(), ErrorCode::BadProof);
    let after = site.checks("proofs");
    assert!(after > before, "looked at");
    // Whoever goes on with it has no more proofs looked at, and nobody else is kept from acting.
    assert_eq!(site.post(&club.forged_mark(1)).await.code(), ErrorCode::RateLimited);
    assert_eq!(site.checks("proofs"), after);
    let mark = club.mark(1);
    site.accept(&mut club, mark).await;
    site.stop().await;
}

#[tokio::test]
async fn leaves_and_groups_have_their_rates() {
    let once = Quota { per_minute: 1, burst: 1 };
    let mut config = generous();
    config.rates.leaf_updates = once;
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let mut club = site.pair(111).await;
    // Member 1 has used its update to join; the founder has not.
    let update = club.update(1);
    let before = site.checks("proofs");
    let problem = site.post(&update).await.problem();
    assert_eq!(problem.code(), ErrorCode::RateLimited);
    assert!(problem.retry_after().unwrap() > 30);
    assert_eq!(site.checks("proofs"), before);
    let update = club.update(0);
    site.accept(&mut club, update).await;
    // Other operations, and messages, have rates of their own.
    let add = club.add(1);
    site.accept(&mut club, add).await;
    let message = club.message(b"x");
    site.accept(&mut club, message).await;
    site.stop().await;

    let mut config = generous();
    config.rates.group_frames = Quota { per_minute: 1, burst: 3 };
    config.rates.group_creations = Quota { per_minute: 1, burst: 2 };
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let (mut a, mut b) = (site.found(112).await, site.found(113).await);
    assert_eq!(site.post(&Club::found(114).1).await.code(), ErrorCode::RateLimited);
    for _ in 0..3 {
        let message = a.message(b"x");
        site.accept(&mut a, message).await;
    }
    let message = a.message(b"one too many");
    let reply = site.post(&message).await;
    assert_eq!((reply.status, reply.code()), (429, ErrorCode::RateLimited));
    let message = b.message(b"not concerned");
    site.accept(&mut b, message).await;
    site.stop().await;
}

#[tokio::test]
async fn groups_have_a_quota() {
    let mut config = generous();
    config.groups.quota = Some(2);
    let site = Site::with(SiteOptions { config: config.clone(), ..Default::default() }).await;
    let mut club = site.found(116).await;
    site.found(117).await;
    let (_, third) = Club::found(118);
    let reply = site.post(&third).await;
    assert_eq!((reply.status, reply.code()), (507, ErrorCode::StorageFull));
    let message = club.message(b"those there are go on");
    site.accept(&mut club, message).await;
    let store = site.store.clone();
    site.stop().await;
    let site = Site::with(SiteOptions { store, config, ..Default::default() }).await;
    assert_eq!(site.post(&third).await.code(), ErrorCode::StorageFull);
    site.stop().await;
}

#[tokio::test]
async fn addresses_and_tokens_have_their_rates() {
    let mut config = generous();
    config.rates.peer_frames = Quota { per_minute: 1, burst: 2 };
    config.rates.token_reads = Quota { per_minute: 1, burst: 2 };
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let mut club = site.found(115).await;
    let decoded = site.checks("decode");
    let message = club.message(b"x");
    site.accept(&mut club, message).await;
    // Refused before anything is decoded.
    assert_eq!(site.post_bytes(&club.group(), b"junk".to_vec()).await.code(), ErrorCode::RateLimited);
    assert_eq!(site.checks("decode"), decoded + 1);
    let token = site.root_token(&mut club).await;
    for _ in 0..2 {
        site.page(&club.group(), 0, &token).await;
    }
    let reply = site.page_reply(&club.group(), 0, Default::default(), &token).await;
    assert_eq!(reply.code(), ErrorCode::RateLimited);
    site.stop().await;
}
