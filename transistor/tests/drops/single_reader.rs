//! A thousand at once, and one gets it.

use super::kit::*;
use drop_state::Refusal;
use service_kit::config::ByteSize;
use transistor::drops::{Failure, Shown};

const CROWD: u16 = 1000;

fn nobody_else(failure: Failure) {
    // Busy: it would have been told the same had it come a moment later.
    assert!(matches!(failure, Failure::Refused(Refusal::Gone) | Failure::Busy), "{failure}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_takers() {
    let rig = Rig::new().await;
    for (n, len) in [(1, INLINE), (2, 3 * PIECE + 1)] {
        let content = content(len);
        rig.outside(id(n), &content).await;
        let takers: Vec<_> = (0..CROWD)
            .map(|_| {
                let drops = rig.drops.clone();
                tokio::spawn(async move {
                    all(drops.take(id(n), &Shown::default(), false).await?).await.map_err(|_| Failure::Busy)
                })
            })
            .collect();
        let mut got = 0;
        for taker in takers {
            match taker.await.unwrap() {
                Ok(bytes) => {
                    assert_eq!(bytes, content);
                    got += 1;
                }
                Err(failure) => nobody_else(failure),
            }
        }
        assert_eq!(got, 1, "{len}");
        assert!(rig.is_gone(id(n)).await);
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_claimers() {
    let rig = Rig::with(|_, bodies| bodies.segment = ByteSize::from_kib(64)).await;
    for (n, len) in [(1, INLINE), (2, 200_000)] {
        let content = content(len);
        rig.outside(id(n), &content).await;
        let claimers: Vec<_> = (0..CROWD)
            .map(|i| {
                let drops = rig.drops.clone();
                tokio::spawn(async move {
                    let mut claim = [0; 32];
                    claim[..2].copy_from_slice(&i.to_be_bytes());
                    let claim = transistor::drops::Token::from_bytes(claim);
                    drops.claim(id(n), &Shown::default(), &claim).await?;
                    let reading = drops.read(id(n), &claim, None, None).await?;
                    let bytes = all(reading).await.map_err(|_| Failure::Busy)?;
                    drops.confirm(id(n), &claim).await?;
                    Ok(bytes)
                })
            })
            .collect();
        let mut got = 0;
        for claimer in claimers {
            match claimer.await.unwrap() {
                Ok(bytes) => {
                    assert_eq!(bytes, content);
                    got += 1;
                }
                Err(failure) => nobody_else(failure),
            }
        }
        assert_eq!(got, 1, "{len}");
    }
    rig.end().await;
}
