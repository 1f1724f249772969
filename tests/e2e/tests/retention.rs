//! A group whose contents are kept for a while only: what is gone is gone for all who come later, and nothing else
//! changes for them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use core::time::Duration;
use std::time::Instant;

use anyhow::Result;
use by_hand::{Answer, Hand, frames_after, token};
use e2e::{PATIENCE, Stage};
use kith_client_sdk::{Entry, LinkOptions, Position, Suite, What};
use protocol::{Seq, frame::Served};

#[path = "support/by_hand.rs"]
mod by_hand;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contents_end_with_their_time_and_the_group_goes_on() -> Result<()> {
    let stage = Stage::with(&["--set", "retention.every=1s"])?;
    let ann = stage.client("Ann").await?;
    let ann = ann.create_group("Trip", &stage.server.url(), Suite::Aes256Gcm).await?;
    let link = ann.invite_link(LinkOptions { uses: 3, ..LinkOptions::default() }).await?.to_string();
    let ben = stage.client("Ben").await?.join(&link).await?;
    let eye = Hand::honest(&link, "Eye").await;
    ann.set_message_retention(Some(Duration::from_secs(1))).await?;
    for n in 0..3 {
        ann.send_text(&format!("soon gone {n}")).await?;
    }

    // The node's own sweep; asked for until it has been there.
    let (node, group) = (eye.node.clone(), eye.fold.group());
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE, "nothing is ever forgotten");
        let own = Answer::Leaf(&eye.sig, eye.slot, eye.leaf_id);
        let token = token(&node, &group, eye.fold.epoch(), own).await?;
        let frames = frames_after(&node, &group, Seq::ZERO, false, &token).await?;
        let gone = frames.iter().filter(|served| matches!(served.content, Served::MessageHash(_))).count();
        // The texts, and the roster in front of them.
        if gone >= 3 {
            break;
        }
        tokio::task::yield_now().await;
    }

    // What follows is to stay.
    ann.set_message_retention(None).await?;

    // Ben was away: he has lost the words and nothing else.
    ben.sync().await?;
    ben.send_text("what did I miss?").await?;
    ann.sync().await?;
    let cleo = stage.client("Cleo").await?.join(&link).await?;
    cleo.send_text("hello").await?;
    for group in [&ann, &ben, &cleo] {
        group.sync().await?;
    }
    let texts = |entries: Vec<Entry>| -> Vec<String> {
        assert!(!entries.iter().any(|entry| matches!(entry.what, What::Unreadable { .. })), "{entries:?}");
        let text = |entry: Entry| if let What::Text { text } = entry.what { Some(text) } else { None };
        entries.into_iter().filter_map(text).collect()
    };
    assert_eq!(texts(ben.entries(Position(0), 100).await?), ["what did I miss?", "hello"]);
    // Who has read it keeps it.
    assert_eq!(texts(ann.entries(Position(0), 100).await?).len(), 5);
    let infos = [ann.info().await?, ben.info().await?, cleo.info().await?];
    assert!(infos.windows(2).all(|pair| pair[0].log_hash == pair[1].log_hash));
    assert!(infos.windows(2).all(|pair| pair[0].comparison == pair[1].comparison));
    Ok(())
}
