//! Everybody does everything at the same time: all get through by themselves, and all end with one history.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::thread;

use anyhow::Result;
use e2e::Stage;
use kith_client_sdk::{Error, Group, LinkOptions, Position, Suite, What};

const NAMES: [&str; 5] = ["Ann", "Ben", "Cleo", "Dan", "Eve"];
const ROUNDS: usize = 4;

async fn texts(group: &Group) -> Result<Vec<(u64, Option<String>, String)>> {
    let entries = group.entries(Position(0), 10_000).await?;
    assert!(!entries.iter().any(|e| matches!(e.what, What::Unreadable { .. })), "{entries:?}");
    let texts = entries.into_iter().filter_map(|entry| {
        let What::Text { text } = entry.what else { return None };
        Some((entry.seq, entry.sender.and_then(|person| person.name), text))
    });
    Ok(texts.collect())
}

/// All of them stand at one state; the texts they have, from the first that all have.
async fn agreed(groups: &[Group]) -> Result<Vec<(u64, Option<String>, String)>> {
    for group in groups {
        group.sync().await?;
    }
    let (mut states, mut all) = (Vec::new(), Vec::new());
    for group in groups {
        group.sync().await?;
        let info = group.info().await?;
        assert!(info.clean);
        states.push((
            info.epoch,
            info.seq,
            info.tree_hash,
            info.transcript_hash,
            info.log_hash,
            info.comparison,
        ));
        all.push(texts(group).await?);
    }
    states.dedup();
    assert_eq!(states.len(), 1, "{states:?}");
    all.dedup();
    assert_eq!(all.len(), 1, "{all:?}");
    Ok(all.remove(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_members_write_and_change_the_group_at_once() -> Result<()> {
    let stage = Stage::new()?;
    let (_clients, groups) = stage.trip(&NAMES).await?;
    let busy = groups.iter().zip(NAMES).map(|(group, name)| {
        let group = group.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                group.send_text(&format!("{name} {round}")).await?;
                if round % 2 == 0 {
                    group.update_keys().await?;
                } else if name == "Ann" {
                    drop(group.invite_link(LinkOptions::default()).await?);
                }
            }
            Ok::<_, Error>(())
        })
    });
    for task in busy.collect::<Vec<_>>() {
        task.await??;
    }
    let texts = agreed(&groups).await?;
    assert_eq!(texts.len(), 1 + NAMES.len() * ROUNDS);
    for name in NAMES {
        // Once each, and in the order in which they were said.
        let said: Vec<_> = texts.iter().filter(|(_, by, _)| by.as_deref() == Some(name)).collect();
        let said: Vec<&str> =
            said.iter().map(|(.., text)| text.as_str()).filter(|t| *t != "welcome").collect();
        let expected: Vec<String> = (0..ROUNDS).map(|round| format!("{name} {round}")).collect();
        assert_eq!(said, expected);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_removed_and_one_leaves_while_the_others_talk() -> Result<()> {
    let stage = Stage::new()?;
    let (_clients, groups) = stage.trip(&NAMES).await?;
    let talk = |n: usize| {
        let group = groups[n].clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                group.send_text(&format!("{} {round}", NAMES[n])).await?;
            }
            group.update_keys().await
        })
    };
    let (ben, cleo) = (talk(1), talk(2));
    let leaving = tokio::spawn({
        let dan = groups[3].clone();
        async move { dan.leave().await }
    });
    let removing = tokio::spawn({
        let ann = groups[0].clone();
        async move { ann.remove("Eve").await }
    });
    for task in [ben, cleo, leaving, removing] {
        task.await??;
    }
    let texts = agreed(&groups[..3]).await?;
    assert_eq!(texts.len(), 1 + 2 * ROUNDS);
    let members = groups[1].info().await?.members;
    let names: Vec<_> = members.iter().map(|m| m.name.clone().unwrap()).collect();
    assert_eq!(names, ["Ann", "Ben", "Cleo"]);
    for gone in &groups[3..] {
        gone.sync().await?;
        assert_eq!(gone.info().await?.standing, "removed");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_joins_by_one_link_at_once_and_no_more_than_it_lets_in() -> Result<()> {
    let stage = Stage::new()?;
    let ann = stage.client("Ann").await?;
    let group = ann.create_group("Trip", &stage.server.url(), Suite::Aes256Gcm).await?;
    let link = group.invite_link(LinkOptions { uses: 3, ..LinkOptions::default() }).await?.to_string();
    let mut tasks = Vec::new();
    for n in 0..5 {
        let (client, link) = (stage.client(&format!("Guest{n}")).await?, link.clone());
        tasks.push(tokio::spawn(async move { (client.join(&link).await, client) }));
    }
    let (mut inside, mut outside) = (vec![group.clone()], 0);
    for task in tasks {
        match task.await?.0 {
            Ok(group) => inside.push(group),
            Err(error) => {
                assert!(["no_such_ticket", "link_not_valid"].contains(&error.code()), "{error}");
                outside += 1;
            }
        }
    }
    assert_eq!((inside.len(), outside), (4, 2));
    group.send_text("who is here?").await?;
    agreed(&inside[..1]).await?;
    for guest in &inside[1..] {
        guest.send_text("me").await?;
    }
    for member in &inside {
        member.sync().await?;
        let info = member.info().await?;
        assert_eq!(info.members.len(), 4);
        assert_eq!(info.tickets, 0);
    }
    Ok(())
}

#[test]
fn several_processes_of_one_home_at_once() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = (stage.person("Ann")?, stage.person("Ben")?);
    ann.ok(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    ben.ok(&["join", &ann.ok(&["invite"])?])?;
    let mut following = ann.spawn(&["--json", "follow", "--after", "0"])?;
    following.line("the beginning", |line| line.contains("\"joined\""))?;
    let senders = [("a", &ann), ("b", &ann), ("c", &ben)];
    thread::scope(|scope| -> Result<()> {
        let running = senders.map(|(name, person)| {
            scope.spawn(move || -> Result<()> {
                for n in 0..5 {
                    person.ok(&["send", &format!("{name}{n}")])?;
                }
                person.ok(&["update-keys"]).map(drop)
            })
        });
        for sender in running {
            sender.join().unwrap()?;
        }
        Ok(())
    })?;
    for (name, _) in senders {
        following.line("the last of each", |line| line.contains(&format!("\"{name}4\"")))?;
    }
    following.interrupt()?;
    let read: Vec<String> = ann.texts("Trip")?.into_iter().map(|(.., text)| text).collect();
    assert_eq!(read.len(), 15, "{read:?}");
    let followed: Vec<serde_json::Value> =
        following.stdout().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let followed: Vec<&str> = followed.iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(followed, read, "what was followed is what is read");
    let bens: Vec<String> = ben.texts("Trip")?.into_iter().map(|(.., text)| text).collect();
    assert_eq!(bens, read);
    assert_eq!(ann.agreed("Trip")?, ben.agreed("Trip")?);
    Ok(())
}
