//! A file larger than a message: everybody gets it, each once, and nobody who came later.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use anyhow::Result;
use e2e::Stage;
use files::{attachments, content, fetch, folder, names, only};
use kith_client_sdk::{AttachmentState, FetchOptions, LinkOptions, SendOptions};

#[path = "support/files.rs"]
mod files;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_megabytes_for_a_group_of_four() -> Result<()> {
    let stage = Stage::new()?;
    let (mut clients, mut groups) = stage.trip(&["Ann", "Ben", "Cleo", "Dan"]).await?;
    // Dan is away.
    drop((clients.pop(), groups.pop()));
    let file = content(5_000_000, 7);
    let path = stage.folder().join("film.mkv");
    std::fs::write(&path, &file)?;
    groups[0].send_path(&path, "film.mkv", "video/x-matroska", SendOptions::default()).await?;
    assert_eq!(only(&groups[0]).await.1, AttachmentState::Sent);

    let here = folder(stage.folder(), "received");
    for (group, name) in groups.iter().zip(["ann", "ben", "cleo"]).skip(1) {
        let to = here.join(name);
        fetch(group, &to).await?;
        assert!(std::fs::read(&to)? == file, "{name} has another file");
        assert_eq!(only(group).await.1, AttachmentState::Fetched);
        // Each once.
        let again = fetch(group, &here.join("again")).await.unwrap_err();
        assert_eq!(again.code(), "attachment_fetched");
    }
    let (position, _) = only(&groups[0]).await;
    let own = groups[0].fetch_attachment(position, &here.join("own"), FetchOptions::default()).await;
    assert_eq!(own.unwrap_err().code(), "attachment_sent");

    // Who joins now reads of it as little as of what was said before.
    let link = groups[0].invite_link(LinkOptions::default()).await?;
    let late = stage.client("Eve").await?.join(&link).await?;
    groups[0].send_text("hello Eve").await?;
    late.sync().await?;
    assert!(attachments(&late).await.is_empty());

    let dan = stage.reopen("Dan").await?.group("Trip").await?;
    fetch(&dan, &here.join("dan")).await?;
    assert!(std::fs::read(here.join("dan"))? == file);
    let mut there = names(&here);
    there.sort();
    assert_eq!(there, ["ben", "cleo", "dan"], "nothing else was left behind");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_gets_what_was_sent_before_and_nothing_after() -> Result<()> {
    let stage = Stage::new()?;
    let (_clients, groups) = stage.trip(&["Ann", "Ben", "Cleo"]).await?;
    let here = folder(stage.folder(), "received");
    groups[0].send_file("before", "text/plain", content(200_000, 1)).await?;
    groups[1].sync().await?;
    groups[0].remove("Ben").await?;
    groups[0].send_file("after", "text/plain", content(200_000, 2)).await?;
    for group in &groups[1..] {
        group.sync().await?;
    }
    let bens = attachments(&groups[1]).await;
    let cleos = attachments(&groups[2]).await;
    let named = |all: &[(_, String, _, _)]| all.iter().map(|one| one.1.clone()).collect::<Vec<_>>();
    assert_eq!(
        (named(&bens), named(&cleos)),
        (vec!["before".to_owned()], vec!["before".into(), "after".into()])
    );
    // His copy is his: what was said to him while he was a member cannot be taken back by anybody.
    groups[1].fetch_attachment(bens[0].0, &here.join("ben"), FetchOptions::default()).await?;
    assert!(std::fs::read(here.join("ben"))? == content(200_000, 1));
    for (at, (position, ..)) in cleos.iter().enumerate() {
        let to = here.join(format!("cleo-{at}"));
        groups[2].fetch_attachment(*position, &to, FetchOptions::default()).await?;
        assert!(std::fs::read(&to)? == content(200_000, at as u64 + 1));
    }
    Ok(())
}

#[test]
fn by_the_command_line() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = (stage.person("Ann")?, stage.person("Ben")?);
    ann.ok(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    ben.ok(&["join", &ann.ok(&["invite"])?])?;
    let path = stage.folder().join("map.png");
    std::fs::write(&path, content(300_000, 3))?;
    ann.ok(&["send", "--group", "Trip", "--file", path.to_str().unwrap()])?;

    let read = ben.ok(&["read"])?;
    let line = read.lines().find(|line| line.contains("map.png")).unwrap();
    let (_, seq) = line.split_once("(300000 bytes), get it with: kith fetch ").unwrap();
    let value = ben.json_lines(&["read"])?.into_iter().find(|line| line["kind"] == "attachment").unwrap();
    assert_eq!(value["attachment"]["state"], "waiting");
    assert_eq!(value["attachment"]["media_type"], "image/png");
    assert_eq!(value["seq"].as_u64(), seq.parse().ok());

    let here = folder(stage.folder(), "received");
    std::fs::write(here.join("map.png"), "another map")?;
    let saved = ben.json(&["fetch", seq, "--save", here.to_str().unwrap()])?;
    assert!(saved["path"].as_str().unwrap().ends_with("1-map.png"), "{saved}");
    assert!(std::fs::read(here.join("1-map.png"))? == content(300_000, 3));
    assert_eq!(std::fs::read_to_string(here.join("map.png"))?, "another map");
    assert!(ben.ok(&["read"])?.contains("(300000 bytes), fetched"));
    ben.refused(&["fetch", seq, "--save", here.to_str().unwrap()], "attachment_fetched")?;
    ben.refused(&["fetch", "0"], "not_an_attachment")?;
    Ok(())
}
