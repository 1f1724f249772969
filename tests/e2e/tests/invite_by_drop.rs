//! Invites too long for a messenger come by a drop, and rosters too large for an invite.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use core::time::Duration;

use anyhow::Result;
use e2e::Stage;
use kith_client_sdk::{
    Client, Group, LinkOptions, Suite,
    clock::SystemClock,
    drops::{DropLink, Drops, PutOptions, Reading, Source},
    http::NodeOptions,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A name as long as names may be, so that few members make a large roster.
fn long(name: &str) -> String {
    format!("{name} {}", "x".repeat(63 - name.len()))
}

/// A group of so many members with long names.
async fn crowd(stage: &Stage, members: usize) -> Result<(Client, Group)> {
    let ann = stage.client(&long("Ann")).await?;
    let group = ann.create_group("Trip", &stage.server.url(), Suite::Aes256Gcm).await?;
    let uses = u32::try_from(members)?;
    let link = group.invite_link(LinkOptions { uses, ..LinkOptions::default() }).await?;
    for n in 1..members {
        stage.client(&long(&format!("Guest {n}"))).await?.join(&link).await?;
    }
    group.sync().await?;
    Ok((ann, group))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_invite_is_a_short_link() -> Result<()> {
    let stage = Stage::new()?;
    // A roster of a few members makes an invite longer than a messenger likes.
    let (_ann, group) = crowd(&stage, 4).await?;
    let ben = stage.client("Ben").await?;
    let contact = ben.contact(&stage.server.url()).await?;
    let link = group.invite_contact(&contact, DAY).await?;
    assert!(link.len() < 200, "{} characters", link.len());
    DropLink::parse(&link)?;

    // Somebody else who gets hold of the link takes it away, and no more.
    let bens = ben.join(&link).await?;
    let info = bens.info().await?;
    assert_eq!((info.standing, info.members.len()), ("member", 5));
    assert!(info.members.iter().all(|member| member.name.is_some()));
    // Again, after it has served.
    let again = ben.join(&link).await.unwrap_err();
    assert_eq!(again.code(), "drop_gone");

    let cleo = stage.client("Cleo").await?;
    let contact = cleo.contact(&stage.server.url()).await?;
    let link = group.invite_contact(&contact, DAY).await?;
    let thief = stage.client("Thief").await?;
    assert_eq!(thief.join(&link).await.unwrap_err().code(), "bad_text");
    assert_eq!(cleo.join(&link).await.unwrap_err().code(), "drop_gone");
    Ok(())
}

/// A link pasted in the wrong place must not cost what it leads to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_that_is_no_invite_is_left_alone() -> Result<()> {
    let stage = Stage::new()?;
    let ben = stage.client("Ben").await?;
    let clock = std::sync::Arc::new(SystemClock);
    let drops = Drops::new(&stage.server.url(), clock.clone(), NodeOptions::default())?;
    let made = drops.put(Source::bytes(b"a password".to_vec()), PutOptions::default()).await?;
    let error = ben.join(&made.link.to_text()).await.unwrap_err();
    assert_eq!(error.code(), "bad_text");
    let mut reading = Reading::new(&made.link, clock, NodeOptions::default())?;
    reading.claim(None).await?;
    assert_eq!(reading.bytes(100).await?.as_slice(), b"a password");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_sees_all_names_of_a_large_group() -> Result<()> {
    let stage = Stage::new()?;
    // More than eight kilobytes of roster.
    let (_ann, group) = crowd(&stage, 36).await?;
    let ben = stage.client("Ben").await?;
    let contact = ben.contact(&stage.server.url()).await?;
    let invite = group.invite_contact(&contact, DAY).await?;
    let bens = ben.join(&invite).await?;
    let members = bens.info().await?.members;
    assert_eq!(members.len(), 37);
    let unknown = members.iter().filter(|member| member.name.is_none()).count();
    assert_eq!(unknown, 0, "{unknown} members have no name");
    Ok(())
}
