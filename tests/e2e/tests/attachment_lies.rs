//! Services and senders that lie about a file: an error says so, nothing is written, and nobody else suffers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use anyhow::Result;
use by_hand::{Hand, rng};
use e2e::Stage;
use e2ee::{
    attachment::{Attachment, DropSecret, FileDigest, copy_name},
    content::Content,
    name::{ContentType, FileName},
    node_url::NodeUrl,
};
use files::{content, fetch, folder, names, only};
use kith_client_sdk::{
    AttachmentState, FetchOptions, Group, LinkOptions,
    clock::SystemClock,
    drops::{Drops, PutOptions, Source},
    http::NodeOptions,
};
use liar::Liar;
use protocol::LeafId;

#[path = "support/by_hand.rs"]
mod by_hand;
#[path = "support/files.rs"]
mod files;
#[path = "support/liar.rs"]
mod liar;

type Lie = fn(&mut Vec<u8>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lying_service_gives_is_written_nowhere() -> Result<()> {
    let liar = Liar::start().await;
    let stage = Stage::with(&["--set", &format!("listen.transistor={}", liar.url)])?;
    liar.show(stage.server.port());
    let lies: [Lie; 3] = [
        |body| body.fill(0xa5),
        |body| body.truncate(body.len() / 2),
        |body| {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        },
    ];
    let (_clients, groups) = stage.trip(&["Ann", "Ben", "Cleo", "Dan", "Eve"]).await?;
    let file = content(300_000, 5);
    groups[0].send_file("plan.pdf", "application/pdf", file.clone()).await?;
    let here = folder(stage.folder(), "received");
    for (group, lie) in groups[1..].iter().zip(lies) {
        liar.lie(lie);
        let error = fetch(group, &here.join("file")).await.unwrap_err();
        assert!(["drop_damaged", "unreachable", "drop_gone"].contains(&error.code()), "{error:?}");
        assert!(names(&here).is_empty(), "{:?}", names(&here));
        assert_ne!(only(group).await.1, AttachmentState::Fetched);
    }
    // The last one meets an honest service.
    liar.repent();
    fetch(&groups[4], &here.join("eve")).await?;
    assert!(std::fs::read(here.join("eve"))? == file);
    Ok(())
}

/// A service with drops of a sender's own making, beside the group.
struct Maker {
    drops: Drops,
    url: String,
}

impl Maker {
    fn at(url: &str) -> Self {
        let clock = std::sync::Arc::new(SystemClock);
        Self { drops: Drops::new(url, clock, NodeOptions::default()).unwrap(), url: url.to_owned() }
    }

    /// Puts a file there with a copy for one member, and describes it with a digest.
    async fn describe(&self, file: &[u8], digest: [u8; 32], reader: LeafId, foreign: bool) -> Attachment {
        let secret = DropSecret::generate(&mut rng());
        let mut options = PutOptions::default();
        options.secret = Some(secret.clone());
        let made = self.drops.put(Source::bytes(file.to_vec()), options).await.unwrap();
        self.drops.copies(&made, &[&copy_name(reader)], None).await.unwrap();
        Attachment {
            name: FileName::sanitise("bait"),
            media_type: ContentType::new("text/plain").unwrap(),
            size: file.len() as u64,
            digest: FileDigest::new(digest),
            secret,
            service: foreign.then(|| NodeUrl::new(&self.url).unwrap()),
        }
    }
}

async fn ann_and_mallory(stage: &Stage) -> Result<(Group, Hand)> {
    let ann = stage.client("Ann").await?;
    let group = ann.create_group("Trip", &stage.server.url(), kith_client_sdk::Suite::Aes256Gcm).await?;
    let link = group.invite_link(LinkOptions::default()).await?;
    let mut mallory = Hand::honest(&link, "Mallory").await;
    group.send_text("hello").await?;
    mallory.sync().await;
    Ok((group, mallory))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_not_the_one_described_is_written_nowhere() -> Result<()> {
    let stage = Stage::new()?;
    let (group, mut mallory) = ann_and_mallory(&stage).await?;
    let maker = Maker::at(&format!("{}/transistor", stage.server.url()));
    // Whoever puts something else in the place of a copy can seal it, but not change what the sender signed.
    let attachment = maker.describe(&content(100_000, 1), [7; 32], LeafId::new(0), false).await;
    let frame = mallory.say(&Content::Attachment(attachment));
    mallory.sent(frame).await;
    let here = folder(stage.folder(), "received");
    let error = fetch(&group, &here.join("bait")).await.unwrap_err();
    assert_eq!(error.code(), "attachment_mismatch");
    assert!(names(&here).is_empty());
    group.send_text("and on we go").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_led_to_a_server_of_a_member_s_choice() -> Result<()> {
    let stage = Stage::new()?;
    let (group, mut mallory) = ann_and_mallory(&stage).await?;
    let trap = Liar::start().await;
    trap.show(stage.server.port());
    let maker = Maker::at(&trap.url);
    let file = content(100_000, 1);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&file).into();
    let attachment = maker.describe(&file, digest, LeafId::new(0), true).await;
    let frame = mallory.say(&Content::Attachment(attachment));
    mallory.sent(frame).await;
    let before = trap.asked();
    let here = folder(stage.folder(), "received");
    let error = fetch(&group, &here.join("bait")).await.unwrap_err();
    assert_eq!(error.code(), "foreign_service");
    assert_eq!(trap.asked(), before, "a server was called that the group's node does not name");
    // Whoever wants to, may.
    let mut options = FetchOptions::default();
    options.any_service = true;
    let (position, _) = only(&group).await;
    group.fetch_attachment(position, &here.join("bait"), options).await?;
    assert!(std::fs::read(here.join("bait"))? == file);
    Ok(())
}
