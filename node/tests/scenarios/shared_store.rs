//! What several nodes on one store owe each other where nobody tells them anything: every one of them is as new as the
//! log when it is asked, and what may happen once happens once.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use api::{
    ErrorCode,
    challenge::{Claims, Statement},
    paths::FrameForm,
    token::TokenRequest,
};
use frame_log::{BucketRange, FrameSource, Place, SourceError, SourceKind, SourceStream, memory::MemoryLog};
use futures_util::StreamExt;
use protocol::{Seq, body::Policy};
use service_kit::config::Period;

use crate::kit::{
    Club, Site, SiteOptions,
    club::{DAY, policy},
    generous,
    site::soon,
};

/// A source that never shows anything: others write, and nobody says so.
#[derive(Debug)]
struct Silence;

#[async_trait::async_trait]
impl FrameSource for Silence {
    fn kind(&self) -> SourceKind {
        SourceKind::Polling
    }

    async fn now(&self) -> Result<Place, SourceError> {
        Place::new(vec![0]).map_err(|_| SourceError::Damaged)
    }

    async fn open(&self, _: BucketRange, _: &Place) -> Result<SourceStream, SourceError> {
        Ok(futures_util::stream::pending().boxed())
    }
}

async fn pair(config: impl Fn(&mut node::config::Config)) -> (Site, Site) {
    let store: node::SharedStore = Arc::new(MemoryLog::new());
    let options = || {
        let mut settings = generous();
        config(&mut settings);
        SiteOptions {
            store: store.clone(),
            others: Some(Arc::new(Silence)),
            config: settings,
            ..SiteOptions::default()
        }
    };
    let one = Site::with(options()).await;
    let origin = Some(one.node.origin().clone());
    let two = Site::with(SiteOptions { origin, clock: one.clock.clone(), ..options() }).await;
    (one, two)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_acknowledged_the_other_shows() {
    let (one, two) = pair(|_| ()).await;
    let mut club = one.pair(100).await;
    let (group, token) = (club.group(), one.root_token(&mut club).await);
    // Active at the second from here on, and told nothing.
    assert_eq!(two.page(&group, 0, &token).await.head, Seq::new(2));
    for n in 0..5_u64 {
        let message = club.message(b"just now");
        one.accept(&mut club, message).await;
        assert_eq!(two.page(&group, 0, &token).await.head, Seq::new(3 + n));
    }
    let update = club.update(0);
    one.accept(&mut club, update).await;
    assert_eq!(two.tree(&group, None, &token).await.epoch, club.state.epoch());
    // A token for the new epoch, from the node that was not told of it.
    two.root_token(&mut club).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_on_top_of_another_nodes_is_taken() {
    let (one, two) = pair(|_| ()).await;
    let mut club = one.pair(101).await;
    for n in 0..6_u32 {
        // Each is made for a state that the node it goes to has not heard of.
        let update = club.update(n % 2);
        let site = if n % 2 == 0 { &two } else { &one };
        site.accept(&mut club, update).await;
        let message = club.message(b"in the new epoch");
        let site = if n % 2 == 0 { &one } else { &two };
        site.accept(&mut club, message).await;
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_removed_at_one_node_reads_at_none() {
    let (one, two) = pair(|_| ()).await;
    let mut club = one.pair(102).await;
    let member = club.member(1).clone();
    let token = two.leaf_token(&club, &member).await;
    assert_eq!(two.page(&club.group(), 0, &token).await.head, Seq::new(2));
    let remove = club.remove(0, 1);
    one.accept(&mut club, remove).await;
    let reply = two.page_reply(&club.group(), 0, FrameForm::Full, &token).await;
    assert_eq!(reply.code(), ErrorCode::TokenRevoked);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answered_challenge_opens_one_of_them_once() {
    let (one, two) = pair(|_| ()).await;
    let mut club = one.found(103).await;
    let (group, epoch, sign) = (club.group(), club.state.epoch(), club.sign_secret());
    let challenge = one.challenge(&group, epoch, Claims::Root.purpose()).await;
    let statement =
        Statement { origin: one.node.origin(), group: &group, epoch, claims: Claims::Root, challenge };
    let signature = statement.sign_root(&sign, &mut club.rng);
    let request = TokenRequest { challenge, epoch, claims: Claims::Root, signature };
    let (a, b) = soon(async { tokio::join!(one.trade(&group, &request), two.trade(&group, &request)) }).await;
    let mut answers = [a.status, b.status];
    answers.sort_unstable();
    assert_eq!(answers[0], 200);
    let refused = if a.status == 200 { &b } else { &a };
    assert_eq!(refused.code(), ErrorCode::ChallengeUnknown);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_them_sweeps() {
    let (one, two) = pair(|config| config.retention.every = Period::from_secs(2)).await;
    let swept = |site: &Site| site.measured("node_sweeps_total");
    let left = |site: &Site| site.measured("node_sweeps_left_total");
    // The nodes' clock stands still, so there is one turn for ever, and one of them takes it.
    soon(async {
        while [&one, &two].iter().any(|site| swept(site) + left(site) < 2) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(swept(&one) + swept(&two), 1);
    one.clock.advance(Duration::from_secs(10));
    soon(async {
        while swept(&one) + swept(&two) < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_of_them_pruned_none_promises() {
    let (one, two) = pair(|config| config.groups.snapshot_operations = NonZeroU64::new(2).unwrap()).await;
    let rules = Policy { operation_retention: DAY, ..policy() };
    let (mut club, init) = Club::found_with(105, rules);
    one.accept(&mut club, init).await;
    for _ in 0..5 {
        let update = club.update(0);
        one.accept(&mut club, update).await;
    }
    let (group, token) = (club.group(), two.root_token(&mut club).await);
    // Open at the second, with all of its history.
    assert_eq!(two.page(&group, 0, &token).await.horizon, Seq::ZERO);
    one.clock.advance(Duration::from_secs(3 * DAY));
    club.now += 3 * DAY;
    assert!(one.node.sweep().await.unwrap() > 0);
    let token = one.root_token(&mut club).await;
    let horizon = one.page_reply(&group, 0, FrameForm::Full, &token).await.problem().horizon().unwrap();
    assert!(horizon > Seq::ZERO);
    // A snapshot by the second, which has not heard of it, does not lower it.
    let update = club.update(0);
    two.accept(&mut club, update).await;
    soon(async {
        while one.store.snapshot(&group, None).await.unwrap().unwrap().0 < club.state.seq() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let third = Site::with(SiteOptions {
        store: one.store.clone(),
        others: Some(Arc::new(Silence)),
        clock: one.clock.clone(),
        origin: Some(one.node.origin().clone()),
        ..SiteOptions::default()
    })
    .await;
    let token = third.root_token(&mut club).await;
    for site in [&third, &two, &one] {
        let problem = site.page_reply(&group, 0, FrameForm::Full, &token).await.problem();
        assert_eq!((problem.code(), problem.horizon()), (ErrorCode::HistoryGap, Some(horizon)));
    }
    // And the second knows it from now on.
    assert_eq!(two.page(&group, horizon.get(), &token).await.horizon, horizon);
    for site in [one, two, third] {
        site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_begins_another_life_ends_its_nodes() {
    let often = |config: &mut node::config::Config| config.feed.look_every = Period::from_millis(200);
    let (one, two) = pair(often).await;
    // Somebody brings the store back from a copy and starts a node that says so.
    let mut config = generous();
    often(&mut config);
    config.store.restored = true;
    let restored = Site::with(SiteOptions {
        store: one.store.clone(),
        others: Some(Arc::new(Silence)),
        config,
        clock: one.clock.clone(),
        origin: Some(one.node.origin().clone()),
        ..SiteOptions::default()
    })
    .await;
    soon(async { tokio::join!(one.node.superseded(), two.node.superseded()) }).await;
    let ended = tokio::time::timeout(Duration::from_secs(1), restored.node.superseded()).await;
    assert!(ended.is_err());
    for site in [one, two, restored] {
        site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_written_by_whoever_makes_it_due() {
    let (one, two) = pair(|config| config.groups.snapshot_operations = NonZeroU64::new(4).unwrap()).await;
    let written = |site: &Site| site.measured("node_snapshots_total{outcome=\"written\"}");
    let mut club = one.pair(104).await;
    for n in 0..14_u32 {
        let update = club.update(n % 2);
        let site = if n % 3 == 0 { &one } else { &two };
        site.accept(&mut club, update).await;
        // Each is written before the next is due.
        let due = club.state.epoch().get() / 4;
        soon(async {
            while written(&one) + written(&two) < due {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
    assert_eq!(club.state.epoch().get(), 16);
    assert_eq!(written(&one) + written(&two), 4);
    let (at, _) = one.store.snapshot(&club.group(), None).await.unwrap().unwrap();
    assert_eq!(at, Seq::new(16));
    // Whoever comes later opens the group from it.
    let third = Site::with(SiteOptions {
        store: one.store.clone(),
        others: Some(Arc::new(Silence)),
        clock: one.clock.clone(),
        origin: Some(one.node.origin().clone()),
        ..SiteOptions::default()
    })
    .await;
    let message = club.message(b"at the third");
    third.accept(&mut club, message).await;
    one.stop().await;
    two.stop().await;
    third.stop().await;
}
