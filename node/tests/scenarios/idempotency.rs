//! The same bytes get the same answer, whenever they are sent.

use std::sync::Arc;

use api::{ErrorCode, frames::FrameReceipt};
use frame_log_embedded::{EmbeddedFrameLog, Options};

use crate::kit::{Club, Site, SiteOptions};

#[tokio::test]
async fn sent_again_at_any_time() {
    let site = Site::start().await;
    let (mut club, init) = Club::found(10);
    let mut sent = vec![(init.clone(), site.accept(&mut club, init).await)];
    let steps: [fn(&mut Club) -> crate::kit::Made; 5] = [
        |club| club.message(b"one"),
        |club| club.add(0),
        |club| club.update(1),
        |club| club.message(b"two"),
        // Its sender is no member any more afterwards.
        |club| club.mark(1),
    ];
    for step in steps {
        let made = step(&mut club);
        sent.push((made.clone(), site.accept(&mut club, made).await));
    }
    for (made, first) in &sent {
        let again: FrameReceipt = site.post(made).await.decode();
        assert!(again.duplicate && !first.duplicate);
        assert_eq!(again.receipt, first.receipt);
    }
    assert_eq!(site.measured("node_frames_total{outcome=\"duplicate\"}"), sent.len() as u64);
    site.stop().await;
}

#[tokio::test]
async fn sent_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Arc::new(EmbeddedFrameLog::open(folder.path(), Options::default()).unwrap());
    let store = open();
    let site = Site::with(SiteOptions { store: store.clone(), others: None, ..Default::default() }).await;
    let id = site.node.id();
    let (mut club, init) = Club::found(11);
    let mut sent = vec![(init.clone(), site.accept(&mut club, init).await)];
    for n in 0..3_u8 {
        let made = club.message(&[n; 40]);
        sent.push((made.clone(), site.accept(&mut club, made).await));
    }
    let update = club.update(0);
    sent.push((update.clone(), site.accept(&mut club, update).await));
    let token = site.root_token(&mut club).await;
    site.stop().await;
    store.close().await;
    drop(store);

    let store = open();
    let site = Site::with(SiteOptions {
        store: store.clone(),
        others: None,
        // Challenges and tokens are bound to the name, not to the port.
        origin: None,
        ..Default::default()
    })
    .await;
    assert_eq!(site.node.id(), id);
    for (made, first) in &sent {
        let again: FrameReceipt = site.post(made).await.decode();
        assert!(again.duplicate);
        assert_eq!(again.receipt, first.receipt);
        let conflict = made.changed(|frame| {
            *frame = protocol::Frame::unsigned(frame.head().clone(), b"other".to_vec());
        });
        assert_eq!(site.post(&conflict).await.code(), ErrorCode::FrameIdConflict);
    }
    // Tokens outlive the process, and the log goes on where it stood.
    assert_eq!(site.page(&club.group(), 0, &token).await.frames.len(), sent.len());
    let message = club.message(b"after");
    site.accept(&mut club, message).await;
    site.stop().await;
    store.close().await;
}

#[tokio::test]
async fn two_copies_at_once_are_one_frame() {
    let site = Site::start().await;
    let mut club = site.pair(12).await;
    let update = club.update(1);
    let copies = futures_util::future::join_all((0..8).map(|_| site.post(&update))).await;
    let receipts: Vec<FrameReceipt> = copies.iter().map(|reply| reply.decode()).collect();
    assert_eq!(receipts.iter().filter(|receipt| !receipt.duplicate).count(), 1);
    assert!(receipts.iter().all(|receipt| receipt.receipt == receipts[0].receipt));
    club.apply(&update);
    let message = club.message(b"next");
    site.accept(&mut club, message).await;
    site.stop().await;
}
