//! Two nodes on one database, opened as the settings say: the same as on any other store, and exact.

use std::time::Instant;

use api::{events::Event, frames::FrameReceipt, key_packages::MailboxId};
use frame_log::Limit;
use node::{
    OpenStore,
    config::{Config, StoreKind, StoreSettings},
};
use protocol::Seq;
use servers::Mongo;
use service_kit::config::{Secret, SecretSource};

use super::mailboxes::{package, put};
use crate::kit::{Broker, Club, Made, Site, SiteOptions, generous, site::soon};

async fn open(server: &Mongo) -> OpenStore {
    let mut settings = StoreSettings { kind: StoreKind::MongoDb, ..StoreSettings::default() };
    settings.mongodb.uri = Some(SecretSource::Inline(Secret::new(server.uri())));
    OpenStore::open(&settings).await.unwrap()
}

fn options(opened: &OpenStore) -> SiteOptions {
    assert!(opened.is_shared());
    SiteOptions { store: opened.store.clone(), others: Some(opened.source.clone()), ..SiteOptions::default() }
}

async fn pair(server: &Mongo, config: Config) -> (Site, Site) {
    let (first, second) = tokio::join!(open(server), open(server));
    let one = Site::with(SiteOptions { config: config.clone(), ..options(&first) }).await;
    let (origin, clock) = (Some(one.node.origin().clone()), one.clock.clone());
    let two = Site::with(SiteOptions { origin, clock, config, ..options(&second) }).await;
    (one, two)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_one_database() {
    let (server, broker) = (Mongo::start().await.unwrap(), Broker::start().await);
    // Each its own connections, opened together on an empty database.
    let (first, second) = tokio::join!(open(&server), open(&server));
    let nats = Some((broker.connect().await, broker.names.clone()));
    let one = Site::with(SiteOptions { nats, ..options(&first) }).await;
    let nats = Some((broker.connect().await, broker.names.clone()));
    let origin = Some(one.node.origin().clone());
    let two = Site::with(SiteOptions { nats, origin, clock: one.clock.clone(), ..options(&second) }).await;
    assert_eq!(one.node.id(), two.node.id());
    let relay = broker.relay(&one).await;

    let mut club = one.pair(90).await;
    let (group, token) = (club.group(), two.root_token(&mut club).await);
    let mut streams = Vec::new();
    for site in [&one, &two] {
        let mut stream = site.follow(&group, Some(0), None, &token).await.ok().unwrap();
        assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
        streams.push(stream);
    }
    let messages: Vec<Made> = (0..40_u8).map(|n| club.message(&[n; 20])).collect();
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
    assert_eq!(positions, (3..=42).collect::<Vec<_>>());
    let page = one.store.read(&group, Seq::ZERO, Limit::MAX).await.unwrap();
    for stream in &mut streams {
        for record in &page.records {
            let served = soon(stream.frame()).await;
            assert_eq!((served.seq, served.hash()), (record.seq, record.th));
        }
    }
    drop(relay);
    one.stop().await;
    two.stop().await;
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_gets_one_owner() {
    // A real database, since each step takes its time there and the steps of both come in between.
    let server = Mongo::start().await.unwrap();
    let (one, two) = pair(&server, generous()).await;
    for n in 0..16_u8 {
        let mailbox = MailboxId::new([n; 32]);
        let put = async |site: &Site, key: u8| put(site, &mailbox, key, vec![package(key, false)]).await;
        let (a, b) = soon(async { tokio::join!(put(&one, 1), put(&two, 2)) }).await;
        let mut answers = [a.status, b.status];
        answers.sort_unstable();
        assert_eq!(answers, [200, 403], "{n}");
        // And stays it, at both.
        let (owner, other) = if a.status == 200 { (1, 2) } else { (2, 1) };
        for site in [&one, &two] {
            assert_eq!(put(site, owner).await.status, 200);
            assert_eq!(put(site, other).await.status, 403);
        }
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_one_for_all() {
    let server = Mongo::start().await.unwrap();
    let mut config = generous();
    config.groups.quota = Some(5);
    let (one, two) = pair(&server, config).await;
    let founds: Vec<_> = (110..120_u8)
        .map(|seed| {
            let (_, init) = Club::found(seed);
            let site = if seed % 2 == 0 { &one } else { &two };
            async move { site.post(&init).await.status }
        })
        .collect();
    let answers = soon(futures_util::future::join_all(founds)).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 5, "{answers:?}");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn opening_a_cold_group() {
    const OPERATIONS: u32 = 200;
    let server = Mongo::start().await.unwrap();
    let opened = open(&server).await;
    let mut config = generous();
    config.groups.snapshot_operations = std::num::NonZeroU64::MAX;
    let site = Site::with(SiteOptions { config, ..options(&opened) }).await;
    let mut club = site.pair(91).await;
    for n in 0..OPERATIONS {
        let update = club.update(n % 2);
        site.accept(&mut club, update).await;
    }
    // Nodes that are kept in memory do not end, and so write no snapshot at their end.
    let mut kept = vec![site];
    assert!(opened.store.snapshot(&club.group(), None).await.unwrap().is_none());
    for name in ["without a snapshot", "with one"] {
        let mut times = Vec::new();
        for _ in 0..5 {
            let mut config = generous();
            config.groups.snapshot_operations = std::num::NonZeroU64::MAX;
            let site = Site::with(SiteOptions { config, ..options(&opened) }).await;
            let message = club.message(name.as_bytes());
            let started = Instant::now();
            site.accept(&mut club, message).await;
            times.push(started.elapsed());
            let message = club.message(name.as_bytes());
            let started = Instant::now();
            site.accept(&mut club, message).await;
            println!("{name}, then warm: {:?}", started.elapsed());
            kept.push(site);
        }
        times.sort_unstable();
        println!("{OPERATIONS} operations, {name}: {times:?}");
        if name != "with one" {
            // Ends in order, and writes one.
            let site = Site::with(options(&opened)).await;
            let update = club.update(0);
            site.accept(&mut club, update).await;
            site.stop().await;
            assert!(opened.store.snapshot(&club.group(), None).await.unwrap().is_some());
        }
    }
    for site in kept {
        site.stop().await;
    }
    opened.close().await;
}
