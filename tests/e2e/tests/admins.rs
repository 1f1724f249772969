//! Admins act for the owner, at the same time and without a name, until they are none any more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::Stage;
use kith_client_sdk::{Error, Group, LinkOptions, Position, What};

const NAMES: [&str; 6] = ["Ann", "Ben", "Cleo", "Dan", "Eve", "Fay"];

fn code<T>(result: Result<T, Error>) -> String {
    result.err().map(|error| error.code().to_owned()).unwrap_or_default()
}

/// Who was removed by whom, as this home was told.
async fn removals(group: &Group) -> Result<Vec<(Option<String>, Vec<String>)>> {
    let entries = group.entries(Position(0), 10_000).await?;
    let removals = entries.into_iter().filter_map(|entry| {
        let What::Removed { people } = entry.what else { return None };
        let people = people.into_iter().filter_map(|person| person.name).collect();
        Some((entry.sender.and_then(|person| person.name), people))
    });
    Ok(removals.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_admins_act_at_once_and_one_is_revoked() -> Result<()> {
    let stage = Stage::new()?;
    let (clients, groups) = stage.trip(&NAMES).await?;
    let [ann, ben, cleo, dan, eve, fay] = groups.as_slice() else { panic!("six") };

    // Nobody but the owner makes admins, and nobody who is none acts as one.
    assert_eq!(code(ben.grant_admin("Ben").await), "owner_only");
    assert_eq!(code(ben.remove("Dan").await), "admin_only");
    assert_eq!(code(ben.remove_anonymously("Dan").await), "admin_only");
    assert_eq!(code(ben.invite_link(LinkOptions::default()).await), "admin_only");
    ann.grant_admin("Ben").await?;
    ann.grant_admin("Cleo").await?;
    let names = |admins: Vec<kith_client_sdk::AdminInfo>| -> Vec<String> {
        admins.into_iter().filter_map(|admin| admin.who.name).collect()
    };
    assert_eq!(names(ann.admins().await?), ["Ben", "Cleo"]);
    for (group, name) in groups.iter().zip(NAMES) {
        group.sync().await?;
        let admin = ["Ben", "Cleo"].contains(&name);
        assert_eq!((group.is_admin().await?, group.info().await?.admin), (admin, admin), "{name}");
    }
    assert!(ben.admins().await?.is_empty(), "an admin does not know the others");

    // Both mark at once, without a name: one wins, the other builds anew.
    let (one, two) = tokio::join!(ben.remove_anonymously("Dan"), cleo.remove_anonymously("Eve"));
    one.context("ben's mark")?;
    two.context("cleo's mark")?;
    // Whoever speaks next completes it; who began it, nobody knows.
    fay.send_text("who did that?").await?;
    for group in [ann, ben, cleo, fay] {
        group.sync().await?;
        let info = group.info().await?;
        assert!(info.clean);
        assert_eq!(info.members.len(), 4);
        let mut removals = removals(group).await?;
        removals.sort();
        assert_eq!(removals, [(None, vec!["Dan".to_owned()]), (None, vec!["Eve".to_owned()])]);
    }
    for gone in [dan, eve] {
        gone.sync().await?;
        assert_eq!(gone.info().await?.standing, "removed");
    }

    // An admin invites, by link and by name, and removes under its own name.
    let gus = stage.client("Gus").await?;
    let link = ben.invite_link(LinkOptions::default()).await?;
    gus.join(&link).await?;
    let hal = stage.client("Hal").await?;
    let contact = hal.contact(&stage.server.url()).await?;
    let invite = cleo.invite_contact(&contact, Duration::from_secs(3600)).await?;
    hal.join(&invite).await?.send_text("hello").await?;
    ben.sync().await?;
    ben.remove("Gus").await?;
    cleo.sync().await?;
    let last = removals(cleo).await?.pop();
    assert_eq!(last, Some((Some("Ben".to_owned()), vec!["Gus".to_owned()])));

    // Revoked, Cleo is none at once; Ben goes on with another secret.
    ann.sync().await?;
    ann.revoke_admin("Cleo").await?;
    assert_eq!(code(cleo.remove_anonymously("Hal").await), "admin_only");
    assert!(!cleo.is_admin().await?);
    ann.rotate_admins().await?;
    ben.remove_anonymously("Hal").await?;
    ann.send_text("done").await?;
    assert_eq!(code(ann.revoke_admin("Cleo").await), "not_an_admin");

    // An admin removed by the owner takes nothing along: the frame carried the root without it.
    ann.remove("Ben").await?;
    assert!(ann.admins().await?.is_empty());
    ben.sync().await?;
    assert_eq!(ben.info().await?.standing, "removed");
    assert!(!ben.is_admin().await?);
    cleo.sync().await?;
    assert_eq!(cleo.info().await?.tree_hash, ann.info().await?.tree_hash);
    drop(clients);
    Ok(())
}

#[test]
fn admins_at_the_terminal() -> Result<()> {
    let stage = Stage::new()?;
    let [ann, ben, cleo] = ["Ann", "Ben", "Cleo"].map(|name| stage.person(name));
    let (ann, ben, cleo) = (ann?, ben?, cleo?);
    ann.ok(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    let link = ann.ok(&["invite", "--uses", "2"])?;
    ben.ok(&["join", &link])?;
    cleo.ok(&["join", &link])?;
    ann.ok(&["send", "hello"])?;
    ben.ok(&["read"])?;
    assert_eq!(ann.ok(&["group", "admin", "add", "--member", "Ben"])?, "Ben is an admin");
    let listed = ann.ok(&["group", "admin", "list"])?;
    assert!(listed.ends_with("Ben") && listed.lines().count() == 1, "{listed}");
    let admins = ann.json(&["group", "admin", "list"])?;
    assert_eq!((admins[0]["name"].as_str(), admins[0]["member"].as_bool()), (Some("Ben"), Some(true)));
    ben.refused(&["group", "admin", "list"], "owner_only")?;
    assert!(ben.ok(&["group", "info"])?.contains("standing    member, admin"));
    assert_eq!(ben.json(&["group", "info"])?["admin"], true);
    assert_eq!(ann.ok(&["group", "admin", "rotate"])?, "1 admins have new secrets");
    cleo.refused(&["remove", "--member", "Ben", "--anonymous"], "admin_only")?;

    ben.ok(&["remove", "--member", "Cleo", "--anonymous"])?;
    ann.ok(&["group", "heal"])?;
    let told = ann.ok(&["read"])?;
    assert!(told.contains("Cleo"), "{told}");
    let removed = ann.json_lines(&["read", "--offline"])?;
    let removed = removed.iter().find(|entry| entry["kind"] == "removed").expect("a removal");
    assert!(removed["sender"].is_null(), "{removed}");

    assert_eq!(ann.ok(&["group", "admin", "remove", "--member", "Ben"])?, "Ben is no admin any more");
    ann.refused(&["group", "admin", "remove", "--member", "Ben"], "not_an_admin")?;
    ben.refused(&["remove", "--member", "Ann", "--anonymous"], "admin_only")?;
    Ok(())
}
