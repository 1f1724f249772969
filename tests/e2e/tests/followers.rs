//! Followers that come and go, stay away for long, and listen while others write: everything arrives once, in order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::pin::pin;

use anyhow::Result;
use e2e::{PATIENCE, Stage};
use futures_util::StreamExt as _;
use kith_client_sdk::{Entry, Error, Group, LinkOptions, Position, Suite, What};
use tokio::time::timeout;

const LAST: &str = "that was all";

async fn ann_and_ben(stage: &Stage) -> Result<(Group, Group)> {
    let ann = stage.client("Ann").await?;
    let group = ann.create_group("Trip", &stage.server.url(), Suite::Aes256Gcm).await?;
    let link = group.invite_link(LinkOptions::default()).await?;
    let ben = stage.client("Ben").await?.join(&link).await?;
    Ok((group, ben))
}

fn is_last(entry: &Entry) -> bool {
    matches!(&entry.what, What::Text { text } if text == LAST)
}

/// Follows from the beginning, breaking off after every `patience` entries, until the last message.
async fn follow_in_parts(group: Group, patience: usize) -> Result<Vec<Entry>, Error> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let from = Position(all.last().map_or(0, |entry| entry.position.0 + 1));
        let mut stream = pin!(group.follow(from).take(patience));
        while let Some(entry) = stream.next().await {
            all.push(entry?);
            if all.last().is_some_and(is_last) {
                return Ok(all);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_that_reconnect_all_the_time_miss_and_repeat_nothing() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage).await?;
    // All in one home, as several programs of one user; each breaks off at other places.
    let followers: Vec<_> =
        [1, 2, 3, 7, 1_000].map(|n| tokio::spawn(follow_in_parts(ben.clone(), n))).into_iter().collect();
    for n in 0..60 {
        ann.send_text(&format!("message {n}")).await?;
        if n % 20 == 10 {
            ann.update_keys().await?;
            ben.send_text("I am listening").await?;
        }
    }
    ann.send_text(LAST).await?;
    let mut heard = Vec::new();
    for follower in followers {
        heard.push(timeout(PATIENCE, follower).await???);
    }
    for entries in &heard {
        let positions: Vec<u64> = entries.iter().map(|entry| entry.position.0).collect();
        assert_eq!(positions, (0..positions.len() as u64).collect::<Vec<_>>());
    }
    heard.dedup();
    assert_eq!(heard.len(), 1, "followers heard different things");
    let texts = heard[0].iter().filter(|e| matches!(e.what, What::Text { .. })).count();
    assert_eq!(texts, 60 + 3 + 1);
    assert!(!heard[0].iter().any(|e| matches!(e.what, What::Unreadable { .. })));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_away_for_long_gets_all_of_it() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage).await?;
    // More than one page, more than a server keeps at hand, and over two epochs.
    for n in 0..300 {
        ann.send_text(&format!("message {n}")).await?;
        if n == 150 {
            ann.update_keys().await?;
        }
    }
    ann.send_text(LAST).await?;
    let heard = timeout(PATIENCE, follow_in_parts(ben, 1_000)).await??;
    let texts: Vec<&str> = heard
        .iter()
        .filter_map(|entry| if let What::Text { text } = &entry.what { Some(text.as_str()) } else { None })
        .collect();
    let mut expected: Vec<String> = (0..300).map(|n| format!("message {n}")).collect();
    expected.push(LAST.to_owned());
    assert_eq!(texts, expected);
    Ok(())
}
