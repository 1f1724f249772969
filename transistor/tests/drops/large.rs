//! A body that is larger than memory may be.

use super::kit::*;
use futures_util::StreamExt as _;
use service_kit::config::ByteSize;
use sha2::{Digest as _, Sha256};
use transistor::drops::Shown;

const MIB: usize = 1 << 20;
const LEN: usize = 5 * MIB;

/// Made while it is read, and a whole chunk of the same byte each, so that it costs the test nothing.
fn made_on_the_way() -> (transistor::drops::Incoming, [u8; 32]) {
    let chunk = |n: usize| bytes::Bytes::from(vec![u8::try_from(n).unwrap(); MIB]);
    let digest = (0..LEN / MIB).fold(Sha256::new(), |hash, n| hash.chain_update(chunk(n)));
    (futures_util::stream::iter(0..LEN / MIB).map(move |n| Ok(chunk(n))).boxed(), digest.finalize().into())
}

#[tokio::test]
async fn is_given_little_by_little_with_two_pieces_in_memory() {
    let rig = Rig::with(|_, bodies| bodies.segment = ByteSize::from_mib(1)).await;
    let in_memory = || rig.drops.pieces_in_memory();
    let (incoming, digest) = made_on_the_way();
    let most_received = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = {
        let (most, drops) = (most_received.clone(), rig.drops.clone());
        incoming.inspect(move |_| {
            most.fetch_max(drops.pieces_in_memory(), std::sync::atomic::Ordering::Relaxed);
        })
    };
    rig.drops.receive(new(id(1)), Some(LEN as u64), Some(digest), counted.boxed()).await.unwrap();
    assert_eq!(most_received.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert_eq!(in_memory(), 0);

    let claim = rig.claim(id(1), 1).await.unwrap();
    let before = rig.store.gives();
    let mut stream = rig.drops.read(id(1), &claim, None, None).await.unwrap().stream;
    let (mut hash, mut most) = (Sha256::new(), 0);
    // A slow network keeps some chunks.
    let mut kept = std::collections::VecDeque::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.unwrap();
        hash.update(&chunk);
        kept.push_back(chunk);
        if kept.len() > 16 {
            kept.pop_front();
        }
        most = most.max(in_memory());
    }
    assert_eq!(<[u8; 32]>::from(hash.finalize()), digest);
    assert_eq!(most, 2);
    // One more asks what there is and gives nothing.
    assert_eq!(rig.store.gives() - before, 5 + 1);
    assert!(rig.drops.claim(id(1), &Shown::default(), &claim).await.unwrap().view.is_final);
    rig.end().await;
}
