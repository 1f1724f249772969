//! Killed in every state of a drop.

use crate::{
    crowd::crowd,
    drop::Drop,
    service::{Records, Service, until},
};

/// Kept beside the record, and outside the database.
const SIZES: [usize; 2] = [500, 300_000];

/// A lease that outlives a test.
const LONG: &str = "drops.lease=10m";
/// One that can be waited for.
const SHORT: &str = "drops.lease=1s";

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_uploaded_in_one_go() {
    let mut service =
        Service::start(Records::Sqlite, &[LONG, "bodies.segment=64KiB", "drops.max_size=16MiB"]).await;
    let drop = Drop::random(300_000);
    let stream = drop.making().begin(service.port(), 200_000).await.unwrap();
    until("some of it is there", async || !service.bodies().is_empty()).await;
    service.kill();
    std::mem::drop(stream);
    service.restart().await;
    assert_eq!(crowd(&[service.port()], &drop).await, 0, "a drop that was not all there was read");
    // Who made it does not know, and makes it again.
    drop.make(service.port()).await;
    assert_eq!(crowd(&[service.port()], &drop).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_uploaded_piece_by_piece() {
    let mut service = Service::start(Records::Sqlite, &[LONG]).await;
    let drop = Drop::random(300_000);
    let upload = drop.begin_upload(service.port()).await;
    let first = drop.patching(&upload, 0..100_000).send(service.port()).await.unwrap();
    assert_eq!(first.status, 204, "{first:?}");
    let second = drop.patching(&upload, 100_000..300_000).begin(service.port(), 100_000).await.unwrap();
    service.kill();
    std::mem::drop(second);
    service.restart().await;
    let there = Drop::offset(service.port(), &upload).await;
    assert!((100_000..300_000).contains(&there), "{there} bytes are there");
    assert_eq!(crowd(&[service.port()], &drop).await, 0, "a drop that was not all there was read");
    let rest = drop.patching(&upload, there..300_000).send(service.port()).await.unwrap();
    assert_eq!(rest.status, 204, "{rest:?}");
    service.kill();
    service.restart().await;
    assert_eq!(crowd(&[service.port()], &drop).await, 1, "it was acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_it_is_there() {
    let mut service = Service::start(Records::Sqlite, &[LONG]).await;
    let drops = SIZES.map(Drop::random);
    for drop in &drops {
        drop.make(service.port()).await;
    }
    service.kill();
    service.restart().await;
    for drop in &drops {
        assert_eq!(crowd(&[service.port()], drop).await, 1, "it was acknowledged");
        // Made again by who does not know that it is being read. One that was erased already is a new one, though.
        let again = drop.making().send(service.port()).await.unwrap();
        assert!(again.is_success(), "{again:?}");
        if again.status == 200 {
            assert_eq!(crowd(&[service.port()], drop).await, 0, "made again, it was read again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_part_was_given() {
    let mut service = Service::start(Records::Sqlite, &[LONG]).await;
    let drop = Drop::random(300_000);
    drop.make(service.port()).await;
    let reader = drop.reader();
    assert!(reader.claims(service.port()).await);
    let first = reader.read(service.port(), Some(0..150_000)).await.unwrap().unwrap();
    service.kill();
    service.restart().await;
    assert_eq!(crowd(&[service.port()], &drop).await, 0, "somebody else reads it");
    assert!(reader.claims(service.port()).await, "its reader lost it");
    let rest = reader.read(service.port(), Some(150_000..300_000)).await.unwrap().unwrap();
    assert_eq!([first, rest].concat(), drop.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_part_was_given_to_a_reader_who_does_not_come_back() {
    let mut service = Service::start(Records::Sqlite, &[SHORT]).await;
    let drop = Drop::random(300_000);
    drop.make(service.port()).await;
    let reader = drop.reader();
    assert!(reader.claims(service.port()).await);
    reader.read(service.port(), Some(0..150_000)).await.unwrap().unwrap();
    service.kill();
    service.restart().await;
    let next = drop.reader();
    until("the lease is over", async || next.claims(service.port()).await).await;
    assert_eq!(next.read(service.port(), None).await.unwrap().unwrap(), drop.body);
    assert_eq!(reader.read(service.port(), Some(150_000..300_000)).await.unwrap(), None, "both have it now");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_was_given() {
    let mut service = Service::start(Records::Sqlite, &[SHORT]).await;
    for size in SIZES {
        let drop = Drop::random(size);
        drop.make(service.port()).await;
        let reader = drop.reader();
        assert!(reader.claims(service.port()).await);
        assert_eq!(reader.read(service.port(), None).await.unwrap().unwrap(), drop.body);
        service.kill();
        service.restart().await;
        // Whether its lease is over by now or not.
        assert_eq!(crowd(&[service.port()], &drop).await, 0, "a second reader");
        // Its reader does not come back either: that would renew the lease.
        until("the lease is over", async || {
            service.bodies().is_empty() && service.holding(&drop.body[..32]).is_empty()
        })
        .await;
        assert!(!reader.claims(service.port()).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_given_and_its_reader_asks_again() {
    let mut service = Service::start(Records::Sqlite, &[LONG]).await;
    let drop = Drop::random(3_000_000);
    drop.make(service.port()).await;
    let reader = drop.reader();
    assert!(reader.claims(service.port()).await);
    // The answer is cut off somewhere.
    let half = tokio::spawn({
        let (reading, port) = (reader.reading(None), service.port());
        async move { reading.send(port).await }
    });
    tokio::task::yield_now().await;
    service.kill();
    let _whatever = half.await;
    service.restart().await;
    assert_eq!(crowd(&[service.port()], &drop).await, 0, "a second reader");
    assert!(reader.claims(service.port()).await);
    assert_eq!(reader.read(service.port(), None).await.unwrap().unwrap(), drop.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_confirmation() {
    let mut service = Service::start(Records::Sqlite, &[LONG]).await;
    for (round, size) in SIZES.into_iter().cycle().take(6).enumerate() {
        let drop = Drop::random(size);
        drop.make(service.port()).await;
        let reader = drop.reader();
        assert!(reader.claims(service.port()).await);
        reader.read(service.port(), None).await.unwrap().unwrap();
        let confirming = tokio::spawn({
            let (confirming, port) = (reader.confirming(), service.port());
            async move { confirming.send(port).await }
        });
        // A little later each time.
        tokio::time::sleep(std::time::Duration::from_micros(300 * round as u64)).await;
        service.kill();
        let confirmed = confirming.await.unwrap();
        service.restart().await;
        assert_eq!(crowd(&[service.port()], &drop).await, 0, "a second reader");
        match confirmed {
            Ok(answer) => assert!(answer.is_success(), "{answer:?}"),
            // Whether it was heard is not known, so it is said again.
            Err(_) => _ = reader.confirming().send(service.port()).await.unwrap().is_there(),
        }
        assert!(!reader.claims(service.port()).await, "what was confirmed is still there");
        until("the body is erased", async || service.bodies().is_empty()).await;
    }
}
