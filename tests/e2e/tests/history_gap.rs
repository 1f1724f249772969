//! A server says that it no longer has what a member missed. The group it shows then may be its own invention, so the
//! member says nothing in it before it has heard somebody it knew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use anyhow::Result;
use api::{ErrorCode, Problem};
use by_hand::Hand;
use e2ee::{content::Content, name::ContentType};
use kith_client_sdk::{Error, Group, LinkOptions, Position, Suite, What};
use proxy::Proxy;
use site::{Site, person};

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/site.rs"]
mod site;

fn assert_code<T: std::fmt::Debug>(outcome: Result<T, Error>, code: &str) {
    assert_eq!(outcome.unwrap_err().code(), code);
}

async fn heard(group: &Group) -> Vec<String> {
    let entries = group.entries(Position(0), 1_000).await.unwrap().into_iter();
    entries.filter_map(|e| if let What::Text { text } = e.what { Some(text) } else { None }).collect()
}

/// Ben is away, and is then told that what he missed is gone.
async fn behind_a_gap() -> Result<(tempfile::TempDir, Proxy, Site, Group, Group, Hand)> {
    let folder = tempfile::tempdir()?;
    let proxy = Proxy::start().await;
    let site = Site::start(&folder.path().join("node"), Some(&proxy.url)).await;
    proxy.show(site.port);
    let (anns, bens) = (person(folder.path(), "Ann").await, person(folder.path(), "Ben").await);
    let ann = anns.create_group("Trip", &proxy.url, Suite::Aes256Gcm).await?;
    let link = ann.invite_link(LinkOptions { uses: 2, ..LinkOptions::default() }).await?;
    let ben = bens.join(&link).await?;
    ann.send_text("welcome").await?;
    ben.sync().await?;
    let mut mallory = Hand::honest(&link, "Mallory").await;
    mallory.sync().await;
    ann.update_keys().await?;
    ann.send_text("missed").await?;

    proxy.lie(|answer| {
        if answer.is_page() {
            answer.status = 410;
            answer.body = Problem::new(ErrorCode::HistoryGap).to_json();
        }
    });
    assert_code(ben.send_text("where was I?").await, "history_gap");
    proxy.repent();
    // Told once more while he comes back, and then the truth.
    let mut told = false;
    proxy.lie(move |answer| {
        if answer.is_page() && !told {
            told = true;
            answer.status = 410;
            answer.body = Problem::new(ErrorCode::HistoryGap).to_json();
        }
    });
    ben.rejoin().await?;
    proxy.repent();
    mallory.sync().await;
    Ok((folder, proxy, site, ann, ben, mallory))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_said_to_a_group_of_strangers() -> Result<()> {
    let (folder, _proxy, site, ann, ben, mut mallory) = behind_a_gap().await?;
    assert!(!ben.info().await?.confirmed);
    assert_code(ben.send_text("is anybody there?").await, "unconfirmed");
    assert_code(ben.export_secret("key", b"", 32).await, "unconfirmed");

    // Somebody he never heard of may say what they like.
    let content = Content::Application {
        content_type: ContentType::new("text/plain;charset=utf-8")?,
        body: b"of course, tell me everything".to_vec(),
    };
    let words = mallory.say(&content);
    mallory.sent(words).await;
    ben.sync().await?;
    assert_code(ben.send_text("is anybody there?").await, "unconfirmed");
    // Nor does a new start of the program make a difference.
    let ben = person(folder.path(), "Ben").await.group("Trip").await?;
    assert_code(ben.send_text("is anybody there?").await, "unconfirmed");

    ann.send_text("Ben, you are back").await?;
    ben.sync().await?;
    assert!(ben.info().await?.confirmed);
    assert!(heard(&ben).await.contains(&"Ben, you are back".to_owned()));
    ben.send_text("so I am").await?;
    ann.sync().await?;
    assert_eq!(heard(&ann).await.last().unwrap(), "so I am");
    let (anns, bens) = (ann.info().await?, ben.info().await?);
    assert_eq!((anns.comparison, anns.log_hash), (bens.comparison, bens.log_hash));
    site.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_compared_digits_goes_on_at_once() -> Result<()> {
    let (_folder, _proxy, site, ann, ben, _) = behind_a_gap().await?;
    ann.sync().await?;
    assert_eq!(ann.info().await?.comparison, ben.info().await?.comparison);
    ben.confirm().await?;
    ben.send_text("the digits are the same").await?;
    ann.sync().await?;
    assert_eq!(heard(&ann).await.last().unwrap(), "the digits are the same");
    site.stop().await;
    Ok(())
}
