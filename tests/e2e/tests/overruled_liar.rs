//! A member claims, signed, to have seen another log. The others stop, know by whose word, and go on without that word
//! once their users have found that it was a lie.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use anyhow::Result;
use by_hand::{Hand, NO_LOG, Words, credential, signed};
use e2ee::{content::Content, name::ContentType, payload::LogPosition};
use kith_client_sdk::{Group, LinkOptions, Position, Suite, What};
use protocol::Seq;
use site::{Site, person};

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/site.rs"]
mod site;

fn text(text: &str) -> Result<Content> {
    let content_type = ContentType::new("text/plain;charset=utf-8")?;
    Ok(Content::Application { content_type, body: text.as_bytes().to_vec() })
}

async fn heard(group: &Group) -> Vec<String> {
    let entries = group.entries(Position(0), 1_000).await.unwrap().into_iter();
    entries.filter_map(|e| if let What::Text { text } = e.what { Some(text) } else { None }).collect()
}

async fn stopped_by_mallory(group: &Group) {
    assert_eq!(group.sync().await.unwrap_err().code(), "forked");
    assert_eq!(group.send_text("anything").await.unwrap_err().code(), "forked");
    let info = group.info().await.unwrap();
    let fork = info.fork.unwrap();
    assert_eq!((info.standing, fork.reason.as_str()), ("forked", "log_hash_mismatch"));
    assert_eq!(fork.by.unwrap().name.as_deref(), Some("Mallory"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lie_about_the_log_stops_the_others_only_until_they_overrule_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let site = Site::start(&folder.path().join("node"), None).await;
    let (anns, bens) = (person(folder.path(), "Ann").await, person(folder.path(), "Ben").await);
    let ann = anns.create_group("Trip", &site.url, Suite::Aes256Gcm).await?;
    let link = ann.invite_link(LinkOptions { uses: 2, ..LinkOptions::default() }).await?;
    let ben = bens.join(&link).await?;
    let mut mallory = Hand::honest(&link, "Mallory").await;
    ann.send_text("welcome").await?;
    ben.sync().await?;
    assert_eq!(ben.overrule().await.unwrap_err().code(), "not_possible");
    mallory.sync().await;

    // In a message.
    let lie = LogPosition { seq: mallory.fold.seq(), log: NO_LOG };
    let identity = mallory.identity.clone();
    let content = text("do you see what I see?")?;
    let words = mallory.message_of(mallory.slot, |context| signed(context, lie, &content, &identity));
    mallory.sent(words).await;
    for group in [&ann, &ben] {
        stopped_by_mallory(group).await;
    }
    // It outlives the program, and so does the way back.
    drop((anns, ann, bens, ben));
    let ann = person(folder.path(), "Ann").await.group("Trip").await?;
    let ben = person(folder.path(), "Ben").await.group("Trip").await?;
    stopped_by_mallory(&ben).await;
    for group in [&ann, &ben] {
        group.overrule().await?;
        assert_eq!(group.info().await?.standing, "member");
    }
    ann.send_text("we saw the same").await?;
    ben.sync().await?;
    assert_eq!(heard(&ben).await.last().unwrap(), "we saw the same");

    // In an operation, and for whom it is the first lie: the others take no notice of a second one.
    mallory.sync().await;
    let update = mallory.update(Words::Payload(Box::new(|context, leaf| {
        let lie = LogPosition { seq: Seq::new(1), log: NO_LOG };
        signed(context, lie, &credential(leaf, "Mallory", &identity), &identity)
    })));
    mallory.updated(update).await;
    for group in [&ann, &ben] {
        group.sync().await?;
    }
    ann.remove("Mallory").await?;
    ben.send_text("good riddance").await?;
    ann.sync().await?;
    assert_eq!(heard(&ann).await.last().unwrap(), "good riddance");
    let (anns, bens) = (ann.info().await?, ben.info().await?);
    assert_eq!((anns.log_hash, anns.comparison), (bens.log_hash, bens.comparison));
    assert_eq!(anns.members.len(), 2);
    site.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_lies_is_taken_after_all_once_its_author_is_overruled() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let site = Site::start(&folder.path().join("node"), None).await;
    let anns = person(folder.path(), "Ann").await;
    let ann = anns.create_group("Trip", &site.url, Suite::Aes256Gcm).await?;
    let link = ann.invite_link(LinkOptions::default()).await?;
    let mut mallory = Hand::honest(&link, "Mallory").await;
    ann.send_text("welcome").await?;
    mallory.sync().await;
    let identity = mallory.identity.clone();
    let update = mallory.update(Words::Payload(Box::new(|context, leaf| {
        let lie = LogPosition { seq: Seq::new(1), log: NO_LOG };
        signed(context, lie, &credential(leaf, "Mallory", &identity), &identity)
    })));
    mallory.updated(update).await;
    stopped_by_mallory(&ann).await;
    ann.overrule().await?;
    let info = ann.info().await?;
    assert_eq!((info.standing, info.epoch), ("member", mallory.fold.epoch().get()));
    ann.remove("Mallory").await?;
    ann.send_text("alone again").await?;
    assert_eq!(heard(&ann).await.last().unwrap(), "alone again");
    site.stop().await;
    Ok(())
}
