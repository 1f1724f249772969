//! Drops made in one request.

use sha2::{Digest as _, Sha256};

use super::kit::*;
use drop_state::Refusal;
use futures_util::StreamExt as _;
use service_kit::config::{ByteSize, Period};
use std::time::Duration;
use transistor::drops::{Failure, NewDrop, Shown};

/// What a body that must not be read is.
fn unread() -> transistor::drops::Incoming {
    futures_util::stream::poll_fn(|_| panic!("the body was read")).boxed()
}

#[tokio::test]
async fn bodies_of_every_length_come_out_as_they_went_in() {
    let rig = Rig::new().await;
    let lengths =
        [0, 1, INLINE, INLINE + 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 5 * PIECE - 1];
    let mut n = 0;
    for len in lengths {
        for said in [true, false] {
            n += 1;
            let content = content(len);
            let length = said.then_some(len as u64);
            let digest = Some(Sha256::digest(&content).into());
            let before = rig.objects().len();
            let made = rig.drops.receive(new(id(n)), length, digest, body(&content)).await.unwrap();
            assert_eq!((made.id, made.existed, made.view.size), (id(n), false, len as u64));
            let pieces = if len <= INLINE { 0 } else { len.div_ceil(PIECE) };
            assert_eq!(rig.objects().len() - before, pieces, "{len}");
            let taken = rig.drops.take(id(n), &Shown::default(), false).await.unwrap();
            assert_eq!(all(taken).await.unwrap(), content, "{len}");
            assert!(rig.is_gone(id(n)).await);
        }
    }
    for len in [0, INLINE, INLINE + 1, PIECE] {
        n += 1;
        let content = content(len);
        let made = rig.drops.create(new(id(n)), content.clone().into(), true).await.unwrap();
        assert!(made.view.text);
        let taken = rig.drops.take(id(n), &Shown::default(), true).await.unwrap();
        assert_eq!(all(taken).await.unwrap(), content);
    }
    let long = rig.drops.create(new(id(99)), content(PIECE + 1).into(), true).await;
    assert_eq!(long.unwrap_err(), Failure::TooLarge { max: PIECE as u64 }, "a text is one piece");
    rig.end().await;
}

#[tokio::test]
async fn it_is_there_whole_or_not_at_all() {
    let mut rig = Rig::with(|settings, _| settings.max_size = ByteSize::from_bytes(3000)).await;
    for len in [50, 2500] {
        let content = content(len);
        let said = Some(len as u64);
        let cases = [
            (said, None, broken(&content[..len - 1]), Failure::Interrupted),
            (None, None, broken(&content), Failure::Interrupted),
            (said, Some([7; 32]), body(&content), Failure::DigestMismatch),
            (None, Some([7; 32]), body(&content), Failure::DigestMismatch),
            (said, None, body(&content[..len - 1]), Failure::LengthMismatch),
            (Some(len as u64 - 1), None, body(&content), Failure::LengthMismatch),
            (Some(3001), None, unread(), Failure::TooLarge { max: 3000 }),
            (None, None, body(&vec![0; 3001]), Failure::TooLarge { max: 3000 }),
        ];
        for (length, digest, body, expected) in cases {
            let failed = rig.drops.receive(new(id(1)), length, digest, body).await;
            assert_eq!(failed.unwrap_err(), expected, "{len} {length:?}");
            assert!(rig.is_gone(id(1)).await);
            assert_eq!(rig.usage().await.drops, 0, "{expected}");
        }
    }
    rig.sweep();
    until("all pieces to be removed", async || rig.objects().is_empty()).await;
    until("nothing to be left to do", async || rig.usage().await.to_erase == 0).await;
    rig.end().await;
}

#[tokio::test]
async fn making_the_same_again_makes_it_once() {
    let rig = Rig::new().await;
    for (n, len) in [(1, 20), (2, 2500)] {
        let content = content(len);
        let receive = |body| rig.drops.receive(new(id(n)), Some(len as u64), None, body);
        assert!(!receive(body(&content)).await.unwrap().existed);
        let again = receive(if len > INLINE { unread() } else { body(&content) }).await.unwrap();
        assert!(again.existed && again.deletion_token.is_none());
        assert_eq!(again.view.size, len as u64);
        let other = NewDrop { deleter: Some(token(b'x').hash()), ..new(id(n)) };
        let other = rig.drops.receive(other, Some(len as u64), None, body(&content)).await;
        assert_eq!(other.unwrap_err(), Failure::Refused(Refusal::Exists));
        let taken = rig.drops.take(id(n), &Shown::default(), false).await.unwrap();
        assert_eq!(all(taken).await.unwrap(), content);
    }
    // Names and tokens that the service chose.
    let made = rig.drops.create(NewDrop::default(), "x".into(), false).await.unwrap();
    rig.drops.delete(made.id, &token(b'x')).await.unwrap_err();
    rig.drops.delete(made.id, &made.deletion_token.unwrap()).await.unwrap();
    assert!(rig.is_gone(made.id).await);
    rig.end().await;
}

#[tokio::test]
async fn limits_are_kept() {
    let rig = Rig::with(|settings, _| settings.max_expiry = Period::from_secs(60)).await;
    let lasting = |seconds| NewDrop { expires_in: Some(Duration::from_secs(seconds)), ..new(id(1)) };
    for seconds in [0, 61] {
        let refused = rig.drops.create(lasting(seconds), "x".into(), false).await.unwrap_err();
        assert_eq!(refused, Failure::BadExpiry { max_seconds: 60 });
    }
    let long = NewDrop { info: vec![0; drop_state::MAX_INFO + 1], ..lasting(60) };
    let refused = rig.drops.create(long, "x".into(), false).await.unwrap_err();
    assert_eq!(refused, Failure::InfoTooLong { max: drop_state::MAX_INFO });
    rig.drops.create(lasting(60), "x".into(), false).await.unwrap();
    rig.clock.advance(Duration::from_secs(60));
    assert!(rig.is_gone(id(1)).await);
    rig.end().await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_nothing_is_lost() {
    let rig = Rig::with(|settings, _| settings.max_bytes = ByteSize::from_bytes(5000)).await;
    rig.outside(id(1), &content(3000)).await;
    let full = rig.drops.receive(new(id(2)), Some(2001), None, body(&content(2001))).await;
    assert_eq!(full.unwrap_err(), Failure::StorageFull);
    let full = rig.drops.receive(new(id(2)), None, None, body(&content(2001))).await;
    assert_eq!(full.unwrap_err(), Failure::StorageFull, "also if nobody said so before");
    assert!(rig.is_gone(id(2)).await);
    assert_eq!(rig.drops.begin(new(id(2)), 2001).await.unwrap_err(), Failure::StorageFull);

    let taken = rig.drops.take(id(1), &Shown::default(), false).await.unwrap();
    assert_eq!(all(taken).await.unwrap(), content(3000));
    // Room that was given back is there again, at the latest when it is measured again.
    until("room", async || rig.drops.create(new(id(3)), content(4000).into(), false).await.is_ok()).await;
    rig.end().await;

    let folder = std::sync::Arc::new(tempfile::tempdir().unwrap());
    let clock = service_kit::testing::TestClock::at(1_000_000);
    let rig = Rig::open(folder.clone(), clock.clone(), |_, _| {}).await;
    rig.outside(id(1), &content(3000)).await;
    rig.end().await;
    // More is to stay free than any disk has.
    let mut rig = Rig::open(folder, clock, |_, bodies| bodies.min_free = ByteSize::from_mib(1 << 40)).await;
    rig.sweep();
    until("the disk to be measured", async || rig.drops.begin(new(id(2)), 1).await.is_err()).await;
    let full = rig.drops.create(new(id(2)), "x".into(), false).await.unwrap_err();
    assert_eq!(full, Failure::StorageFull);
    let claim = rig.claim(id(1), 1).await.unwrap();
    assert_eq!(rig.read(id(1), &claim).await, content(3000));
    rig.end().await;
}
