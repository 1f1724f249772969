//! Mailboxes and the service's own values.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use protocol::UnixSeconds;
use tokio::task::JoinSet;

use super::Harness;
use crate::{
    Claimed, MAX_META_VALUE, MAX_PACKAGE, MAX_PACKAGE_TTL, MAX_PACKAGES, MailboxError, MailboxId,
    Mailboxes as _, Meta as _, MetaKey, MetaValue, NewPackage, Put, Replaced, WriteError,
};

const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);

fn mailbox(n: u8) -> MailboxId {
    MailboxId::new([n; 32])
}

fn package(n: u64, last_resort: bool) -> NewPackage {
    let bytes = Bytes::from(n.to_be_bytes().repeat(20));
    NewPackage { bytes, last_resort, expires: NOW.saturating_add(3_600) }
}

fn claimed(n: u64, last_resort: bool, remaining: u32) -> Claimed {
    Claimed { package: package(n, false).bytes, last_resort, remaining }
}

/// Of many claimants each gets a package nobody else got, and then the one of last resort.
pub async fn claims_race_for_each_package_once(harness: &impl Harness) {
    const PACKAGES: u64 = 40;
    let mut log = harness.fresh().await;
    let m = mailbox(1);
    assert_eq!(log.claim(&m, NOW).await, Ok(None));
    assert_eq!(log.put(&m, package(1_000, true), NOW).await, Ok(Put::Stored));
    for n in 0..PACKAGES {
        assert_eq!(log.put(&m, package(n, false), NOW).await, Ok(Put::Stored));
    }
    assert_eq!(log.claim(&m, NOW).await, Ok(Some(claimed(0, false, 39))), "the oldest goes first");
    log = harness.reopen(log).await;
    let mut claimants = JoinSet::new();
    for _ in 0..60 {
        let log = Arc::clone(&log);
        claimants.spawn(async move {
            log.claim(&m, NOW).await.expect("claimable").expect("there is a last resort")
        });
    }
    let mut once = HashSet::new();
    let mut last = 0;
    for got in claimants.join_all().await {
        if got.last_resort {
            assert_eq!(got, claimed(1_000, true, 0));
            last += 1;
        } else {
            assert!(once.insert(got.package), "a package was handed out twice");
        }
    }
    assert_eq!((once.len(), last), (39, 21));
    assert_eq!(log.claim(&mailbox(2), NOW).await, Ok(None), "mailboxes are separate");
}

/// Putting the same bytes again changes nothing, neither before nor after they were claimed.
pub async fn retries_do_not_restock(harness: &impl Harness) {
    let mut log = harness.fresh().await;
    let m = mailbox(1);
    assert_eq!(log.put(&m, package(1, false), NOW).await, Ok(Put::Stored));
    assert_eq!(log.put(&m, package(1, false), NOW).await, Ok(Put::AlreadyKnown));
    assert_eq!(log.claim(&m, NOW).await, Ok(Some(claimed(1, false, 0))));
    log = harness.reopen(log).await;
    assert_eq!(log.put(&m, package(1, false), NOW).await, Ok(Put::AlreadyKnown));
    assert_eq!(log.claim(&m, NOW).await, Ok(None));
    assert_eq!(log.put(&mailbox(2), package(1, false), NOW).await, Ok(Put::Stored));

    assert_eq!(log.put(&m, package(2, true), NOW).await, Ok(Put::Stored));
    assert_eq!(log.put(&m, package(3, true), NOW).await, Ok(Put::Stored));
    for _ in 0..3 {
        assert_eq!(
            log.claim(&m, NOW).await,
            Ok(Some(claimed(3, true, 0))),
            "the newer last resort replaced the older"
        );
    }
}

/// Size, number and lifetime are bounded.
pub async fn mailboxes_are_bounded(harness: &impl Harness) {
    let log = harness.fresh().await;
    let m = mailbox(1);
    let sized = |len| NewPackage { bytes: Bytes::from(vec![1; len]), ..package(0, false) };
    assert_eq!(log.put(&m, sized(MAX_PACKAGE), NOW).await, Ok(Put::Stored));
    let refused = log.put(&m, sized(MAX_PACKAGE + 1), NOW).await;
    assert_eq!(refused, Err(MailboxError::TooLarge { len: MAX_PACKAGE + 1, max: MAX_PACKAGE }));
    let max = u64::try_from(MAX_PACKAGES).expect("small");
    for n in 1..max {
        assert_eq!(log.put(&m, package(n, false), NOW).await, Ok(Put::Stored));
    }
    assert_eq!(log.put(&m, package(max, false), NOW).await, Err(MailboxError::Full));
    assert_eq!(
        log.put(&m, package(max, true), NOW).await,
        Ok(Put::Stored),
        "there is always room for a last resort"
    );
    assert!(log.claim(&m, NOW).await.expect("claimable").is_some());
    assert_eq!(log.put(&m, package(max + 1, false), NOW).await, Ok(Put::Stored));

    let forever = NewPackage { expires: UnixSeconds::new(u64::MAX), ..package(7, false) };
    assert_eq!(log.put(&mailbox(2), forever, NOW).await, Ok(Put::Stored));
    assert_eq!(log.claim(&mailbox(2), NOW.saturating_add(MAX_PACKAGE_TTL)).await, Ok(None));
}

/// What has expired is not served and can be swept away.
pub async fn expired_packages_are_gone(harness: &impl Harness) {
    let log = harness.fresh().await;
    let m = mailbox(1);
    let expiring =
        |n, last_resort, at| NewPackage { expires: NOW.saturating_add(at), ..package(n, last_resort) };
    assert_eq!(log.put(&m, expiring(0, false, 0), NOW).await, Err(MailboxError::Expired));
    for (n, at) in [(1, 10), (2, 30), (3, 20)] {
        assert_eq!(log.put(&m, expiring(n, false, at), NOW).await, Ok(Put::Stored));
    }
    assert_eq!(log.put(&m, expiring(4, true, 25), NOW).await, Ok(Put::Stored));
    assert_eq!(
        log.claim(&m, NOW.saturating_add(10)).await,
        Ok(Some(claimed(2, false, 1))),
        "the first has expired"
    );
    assert_eq!(log.claim(&m, NOW.saturating_add(20)).await, Ok(Some(claimed(4, true, 0))));
    assert_eq!(log.claim(&m, NOW.saturating_add(25)).await, Ok(None));

    let n = mailbox(2);
    for i in 0..20 {
        assert_eq!(log.put(&n, expiring(i, false, 100 + i), NOW).await, Ok(Put::Stored));
    }
    let later = NOW.saturating_add(109);
    // What the claims above left behind may have been removed already; the sweep ends where nothing is left.
    let mut removed = 0;
    loop {
        let now = log.remove_expired(later, 4).await.expect("swept");
        removed += now;
        if now < 4 {
            break;
        }
    }
    assert!((10..=14).contains(&removed), "{removed} removed");
    assert_eq!(log.remove_expired(later, 4).await, Ok(0));
    assert_eq!(log.claim(&n, later).await, Ok(Some(claimed(10, false, 9))));
    assert_eq!(
        log.put(&m, expiring(1, false, 500), later).await,
        Ok(Put::Stored),
        "an expired package is forgotten"
    );
}

/// Values are kept, replaced and bounded.
pub async fn meta_values_are_kept(harness: &impl Harness) {
    const SEED: MetaKey = MetaKey::new("seed");
    const OTHER: MetaKey = MetaKey::new("seed2");
    let log = harness.fresh().await;
    assert_eq!(log.load(SEED).await, Ok(None));
    for value in [b"one".to_vec(), vec![7; MAX_META_VALUE], b"two".to_vec()] {
        assert_eq!(log.save(SEED, MetaValue::new(value.clone())).await, Ok(()));
        assert_eq!(log.load(SEED).await, Ok(Some(MetaValue::new(value))));
    }
    let long = MetaValue::new(vec![0; MAX_META_VALUE + 1]);
    let refused = log.save(SEED, long).await;
    assert_eq!(refused, Err(WriteError::TooLarge { len: MAX_META_VALUE + 1, max: MAX_META_VALUE }));
    assert_eq!(log.load(OTHER).await, Ok(None));
    let log = harness.reopen(log).await;
    assert_eq!(log.load(SEED).await, Ok(Some(MetaValue::new(b"two".to_vec()))));
}

/// Of several who replace a value at once exactly one does, and the others learn what it is.
pub async fn meta_values_are_replaced_once(harness: &impl Harness) {
    const KEY: MetaKey = MetaKey::new("claimed");
    let value = |n: u8| MetaValue::new(vec![n; 3]);
    let log = harness.fresh().await;
    let wrong = log.replace(KEY, Some(value(9)), value(1)).await;
    assert_eq!(wrong, Ok(Replaced::Differs(None)));
    for round in 0..4_u8 {
        let before = log.load(KEY).await.expect("readable");
        let mut racers = JoinSet::new();
        for n in 0..8 {
            let (log, before) = (Arc::clone(&log), before.clone());
            racers.spawn(async move { (n, log.replace(KEY, before, value(round * 8 + n)).await) });
        }
        let outcomes = racers.join_all().await;
        let won: Vec<u8> =
            outcomes.iter().filter(|(_, o)| *o == Ok(Replaced::Done)).map(|(n, _)| *n).collect();
        let [winner] = won[..] else { panic!("{} won", won.len()) };
        let now = value(round * 8 + winner);
        for (n, outcome) in outcomes.into_iter().filter(|(n, _)| *n != winner) {
            assert_eq!(outcome, Ok(Replaced::Differs(Some(now.clone()))), "racer {n}");
        }
        assert_eq!(log.load(KEY).await, Ok(Some(now)));
    }
    let long = MetaValue::new(vec![0; MAX_META_VALUE + 1]);
    let refused = log.replace(KEY, None, long).await;
    assert_eq!(refused, Err(WriteError::TooLarge { len: MAX_META_VALUE + 1, max: MAX_META_VALUE }));
}
