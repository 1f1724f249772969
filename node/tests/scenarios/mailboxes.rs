//! Key packages are given out once each, and one stranger cannot take them all.

use std::time::Duration;

use api::{
    Body as _, ErrorCode, Format, UnixSeconds,
    key_packages::{
        ClaimedKeyPackage, KeyPackageEntry, MailboxId, MailboxStatus, MailboxWriteKey, PutKeyPackages,
        SealedKeyPackage,
    },
    paths,
};
use service_kit::limiter::Quota;

use crate::kit::{Reply, START, Site, SiteOptions, generous};

pub fn package(n: u8, last_resort: bool) -> KeyPackageEntry {
    KeyPackageEntry {
        sealed: SealedKeyPackage::new(vec![n; 100]).unwrap(),
        expires: UnixSeconds::new(START + 3_600),
        last_resort,
    }
}

pub async fn put(site: &Site, mailbox: &MailboxId, key: u8, packages: Vec<KeyPackageEntry>) -> Reply {
    let body = PutKeyPackages { write_key: MailboxWriteKey::new([key; 32]), packages };
    let request = site.client.post(site.url(&paths::key_packages(mailbox)));
    site.send(request.header("content-type", "application/protobuf").body(body.encode(Format::Protobuf)))
        .await
}

async fn claim(site: &Site, mailbox: &MailboxId) -> Reply {
    site.send(site.client.post(site.url(&paths::key_package_claim(mailbox)))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_given_once() {
    let site = Site::start().await;
    let mailbox = MailboxId::new([1; 32]);
    assert_eq!(claim(&site, &mailbox).await.code(), ErrorCode::PackageGone);
    let packages = (0..10).map(|n| package(n, false)).chain([package(99, true)]).collect();
    let status: MailboxStatus = put(&site, &mailbox, 7, packages).await.decode();
    assert_eq!((status.remaining, status.last_resort), (10, true));
    let status: MailboxStatus = site.get(&paths::key_packages(&mailbox), None).await.decode();
    assert_eq!(status.remaining, 10);

    let claims = futures_util::future::join_all((0..14).map(|_| claim(&site, &mailbox))).await;
    let claims: Vec<ClaimedKeyPackage> = claims.iter().map(Reply::decode).collect();
    let (last, mut once): (Vec<_>, Vec<_>) = claims.into_iter().partition(|claimed| claimed.last_resort);
    assert_eq!((once.len(), last.len()), (10, 4));
    once.sort_by(|a, b| a.sealed.as_bytes().cmp(b.sealed.as_bytes()));
    once.dedup();
    assert_eq!(once.len(), 10);
    let status: MailboxStatus = site.get(&paths::key_packages(&mailbox), None).await.decode();
    assert_eq!((status.remaining, status.last_resort), (0, true));
    // What was taken does not come back by being sent again.
    let status: MailboxStatus = put(&site, &mailbox, 7, vec![package(3, false)]).await.decode();
    assert_eq!(status.remaining, 0);
    site.stop().await;
}

#[tokio::test]
async fn only_the_owner_fills_it() {
    let site = Site::start().await;
    let mailbox = MailboxId::new([2; 32]);
    put(&site, &mailbox, 7, vec![package(1, false)]).await.decode::<MailboxStatus>();
    assert_eq!(put(&site, &mailbox, 8, vec![package(2, false)]).await.code(), ErrorCode::Forbidden);
    let store = site.store.clone();
    site.stop().await;
    let site = Site::with(SiteOptions { store, ..Default::default() }).await;
    assert_eq!(put(&site, &mailbox, 8, vec![package(2, false)]).await.code(), ErrorCode::Forbidden);
    put(&site, &mailbox, 7, vec![package(3, false)]).await.decode::<MailboxStatus>();
    // A package that has expired is neither taken nor given.
    let stale = KeyPackageEntry { expires: UnixSeconds::new(START), ..package(4, false) };
    assert_eq!(put(&site, &mailbox, 7, vec![stale]).await.code(), ErrorCode::BadExpiry);
    site.clock.advance(Duration::from_secs(3_600));
    assert_eq!(claim(&site, &mailbox).await.code(), ErrorCode::PackageGone);
    site.stop().await;
}

#[tokio::test]
async fn one_stranger_cannot_empty_it() {
    let mut config = generous();
    config.rates.mailbox_claims = Quota { per_minute: 1, burst: 3 };
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let (mailbox, other) = (MailboxId::new([3; 32]), MailboxId::new([4; 32]));
    let packages = || (0..10).map(|n| package(n, false)).collect();
    put(&site, &mailbox, 7, packages()).await.decode::<MailboxStatus>();
    put(&site, &other, 7, packages()).await.decode::<MailboxStatus>();
    for _ in 0..3 {
        claim(&site, &mailbox).await.decode::<ClaimedKeyPackage>();
    }
    for _ in 0..10 {
        assert_eq!(claim(&site, &mailbox).await.code(), ErrorCode::RateLimited);
    }
    assert_eq!(claim(&site, &other).await.decode::<ClaimedKeyPackage>().remaining, 9);

    // With a last resort nobody goes away empty-handed, and the others are still spared.
    put(&site, &mailbox, 7, vec![package(99, true)]).await.decode::<MailboxStatus>();
    for _ in 0..3 {
        let claimed: ClaimedKeyPackage = claim(&site, &mailbox).await.decode();
        assert_eq!((claimed.last_resort, claimed.remaining), (true, 7));
        assert_eq!(claimed.sealed.as_bytes(), [99; 100]);
    }
    site.stop().await;
}

#[tokio::test]
async fn a_restored_store_gives_nothing_out_twice() {
    let site = Site::start().await;
    let mailbox = MailboxId::new([6; 32]);
    put(&site, &mailbox, 7, vec![package(1, false), package(2, true)]).await.decode::<MailboxStatus>();
    let store = site.store.clone();
    site.stop().await;
    let mut config = generous();
    config.store.restored = true;
    let site = Site::with(SiteOptions { store, config, ..Default::default() }).await;
    // Who knows whether these were claimed after the copy was made? The owner fills it anew, and is still the owner.
    assert_eq!(claim(&site, &mailbox).await.code(), ErrorCode::PackageGone);
    assert_eq!(put(&site, &mailbox, 8, vec![package(3, false)]).await.code(), ErrorCode::Forbidden);
    put(&site, &mailbox, 7, vec![package(3, false)]).await.decode::<MailboxStatus>();
    assert_eq!(claim(&site, &mailbox).await.decode::<ClaimedKeyPackage>().sealed.as_bytes(), [3; 100]);
    site.stop().await;
}

#[tokio::test]
async fn it_holds_a_hundred() {
    let site = Site::start().await;
    let mailbox = MailboxId::new([5; 32]);
    let packages = (0..100).map(|n| package(n, false)).collect();
    let status: MailboxStatus = put(&site, &mailbox, 7, packages).await.decode();
    assert_eq!(status.remaining, 100);
    assert_eq!(put(&site, &mailbox, 7, vec![package(200, false)]).await.code(), ErrorCode::MailboxFull);
    // Sent again it is the same request, and a last resort always fits.
    let again = vec![package(0, false), package(201, true)];
    let status: MailboxStatus = put(&site, &mailbox, 7, again).await.decode();
    assert_eq!((status.remaining, status.last_resort), (100, true));
    site.stop().await;
}
