//! The command line as the README shows it, and what it says when something is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::fs;

use anyhow::Result;
use e2e::{Kith, Stage};

/// Two people in a group called Trip.
fn ann_and_ben(stage: &Stage) -> Result<(Kith, Kith)> {
    let (ann, ben) = (stage.person("Ann")?, stage.person("Ben")?);
    ann.ok(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    let link = ann.ok(&["invite", "--group", "Trip"])?;
    ben.ok(&["join", &link])?;
    Ok((ann, ben))
}

#[test]
fn two_people_meet_write_and_part() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = (stage.stranger("ann"), stage.stranger("ben"));

    let made = ann.json(&["identity", "create", "--name", "Ann"])?;
    assert_eq!(made["name"], "Ann");
    assert_eq!(made["key"].as_str().unwrap().len(), 64);
    assert_eq!(ann.json(&["identity", "show"])?, made);

    let group = ann.json(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    let id = group["id"].as_str().unwrap();
    assert_eq!(id.len(), 64);
    let link = ann.ok(&["invite", "--group", "Trip"])?;
    assert_eq!(link.lines().count(), 1, "one link and nothing else: {link}");
    assert!(link.starts_with(&stage.server.url()), "{link}");

    let ben = ben.named("Ben")?;
    let joined = ben.json(&["join", &link])?;
    assert_eq!(joined["id"], id);
    assert_eq!(joined["title"], "Trip");

    let piped = ann.pipe(b"hello\n", &["--json", "send", "--group", "Trip"])?.ok()?;
    let hello = serde_json::from_str::<serde_json::Value>(&piped)?["seq"].as_u64().unwrap();
    let typed = ben.json(&["send", "--group", "Trip", "hi Ann"])?["seq"].as_u64().unwrap();

    let read = ben.json_lines(&["read", "--group", "Trip"])?;
    let first = read.iter().find(|line| line["kind"] == "text").unwrap();
    assert_eq!(first["seq"], hello);
    assert_eq!(first["text"], "hello");
    assert_eq!(first["sender"], "Ann");
    assert!(first["epoch"].is_u64() && first["time"].as_str().unwrap().ends_with('Z'), "{first}");
    let expected = [(hello, "Ann".to_owned(), "hello".to_owned()), (typed, "Ben".into(), "hi Ann".into())];
    assert_eq!(ann.texts("Trip")?, expected);
    assert_eq!(ben.texts("Trip")?, expected);
    // By the beginning of its id, and without a name where there is one group only.
    assert_eq!(ben.texts(&id[..8])?, expected);
    assert_eq!(ben.json_lines(&["read"])?, read);
    assert_eq!(ben.json_lines(&["read", "--after", &hello.to_string()])?.len(), 1);

    ben.ok(&["update-keys", "--group", "Trip"])?;
    let (anns, bens) = (ann.agreed("Trip")?, ben.agreed("Trip")?);
    assert_eq!(anns, bens);
    let (anns, bens) = (ann.json(&["group", "info", "Trip"])?, ben.json(&["group", "info", "Trip"])?);
    assert_eq!(anns["comparison"], bens["comparison"]);
    assert_eq!(anns["members"].as_array().unwrap().len(), 2);
    assert_eq!(anns["members"][1]["name"], "Ben");
    assert_eq!(anns["members"][1]["verified"], true);
    assert_eq!((&anns["owner"], &bens["owner"]), (&true.into(), &false.into()));

    ann.ok(&["remove", "--group", "Trip", "--member", "Ben"])?;
    ann.ok(&["send", "--group", "Trip", "he is gone"])?;
    let last = ben.json_lines(&["read", "--group", "Trip"])?.pop().unwrap();
    assert_eq!(last["kind"], "removed_self");
    ben.refused(&["send", "--group", "Trip", "am I?"], "not_a_member")?;
    assert_eq!(ann.json_lines(&["group", "list"])?[0][0]["title"], "Trip");
    Ok(())
}

#[test]
fn follow_prints_what_comes_until_interrupted() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    ann.ok(&["send", "--group", "Trip", "before"])?;
    ben.ok(&["read", "--group", "Trip"])?;
    let mut following = ben.spawn(&["--json", "follow", "--group", "Trip", "--after", "0"])?;
    following.line("the old message", |line| line.contains("before"))?;
    ann.ok(&["send", "--group", "Trip", "during"])?;
    let line = following.line("the new message", |line| line.contains("during"))?;
    let value: serde_json::Value = serde_json::from_str(&line)?;
    assert_eq!((&value["text"], &value["sender"]), (&"during".into(), &"Ann".into()));
    // The same home speaks while it listens.
    ben.ok(&["send", "--group", "Trip", "I hear you"])?;
    following.line("the own message", |line| line.contains("I hear you"))?;
    let status = following.interrupt()?;
    assert_eq!(status.code(), Some(0), "{:?}", following.stderr());
    let texts = following.stdout().iter().filter(|line| line.contains("\"text\"")).count();
    assert_eq!(texts, 3, "{:?}", following.stdout());
    Ok(())
}

#[test]
fn people_are_invited_by_name_send_files_and_leave() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let cleo = stage.person("Cleo")?;
    let contact = cleo.ok(&["contact", "--server", &stage.server.url()])?;
    assert_eq!(contact.lines().count(), 1);
    let invite = ann.ok(&["invite", "--group", "Trip", "--contact", &contact])?;
    cleo.pipe(invite.as_bytes(), &["join"])?.ok()?;
    assert_eq!(ann.agreed("Trip")?, cleo.agreed("Trip")?);

    let file = stage.folder().join("map ü.bin");
    let content: Vec<u8> = (0..=255_u8).cycle().take(50_000).collect();
    fs::write(&file, &content)?;
    cleo.ok(&["send", "--group", "Trip", "--file", file.to_str().unwrap()])?;
    let received = stage.folder().join("received");
    let read = ben.json_lines(&["read", "--group", "Trip", "--save", received.to_str().unwrap()])?;
    let entry = read.iter().find(|line| line["kind"] == "file").unwrap();
    assert_eq!((&entry["sender"], &entry["file"]["size"]), (&"Cleo".into(), &50_000.into()));
    let path = entry["file"]["path"].as_str().unwrap();
    assert_eq!(fs::read(path)?, content);
    // Saved once, however often it is read.
    ben.ok(&["read", "--group", "Trip", "--save", received.to_str().unwrap()])?;
    assert_eq!(fs::read_dir(&received)?.count(), 1);

    ben.ok(&["leave", "--group", "Trip"])?;
    ann.ok(&["send", "--group", "Trip", "without Ben"])?;
    assert!(!ben.ok(&["read", "--group", "Trip"])?.contains("without Ben"));
    assert!(cleo.ok(&["read", "--group", "Trip"])?.contains("without Ben"));
    let info = cleo.json(&["group", "info"])?;
    let names: Vec<_> = info["members"].as_array().unwrap().iter().map(|m| m["name"].clone()).collect();
    assert_eq!(names, ["Ann", "Cleo"]);
    assert!(ben.ok(&["group", "list"])?.contains("Trip"));
    Ok(())
}

#[test]
fn somebody_who_was_removed_can_come_back() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    ann.ok(&["send", "--group", "Trip", "one"])?;
    ben.ok(&["read", "--group", "Trip"])?;
    ann.ok(&["remove", "--group", "Trip", "--member", "Ben"])?;
    ann.ok(&["send", "--group", "Trip", "two"])?;
    let link = ann.ok(&["invite", "--group", "Trip"])?;
    ben.ok(&["join", &link])?;
    ann.ok(&["send", "--group", "Trip", "three"])?;
    let texts: Vec<_> = ben.texts("Trip")?.into_iter().map(|(.., text)| text).collect();
    assert_eq!(texts, ["one", "three"]);
    ben.ok(&["send", "--group", "Trip", "back"])?;
    assert_eq!(ann.texts("Trip")?.pop().unwrap().2, "back");
    assert_eq!(ann.agreed("Trip")?, ben.agreed("Trip")?);

    // By name as well.
    ann.ok(&["remove", "--group", "Trip", "--member", "Ben"])?;
    let contact = ben.ok(&["contact", "--server", &stage.server.url()])?;
    let invite = ann.ok(&["invite", "--group", "Trip", "--contact", &contact])?;
    ben.ok(&["join", &invite])?;
    ben.ok(&["send", "--group", "Trip", "again"])?;
    assert_eq!(ann.texts("Trip")?.pop().unwrap().2, "again");
    Ok(())
}

#[test]
fn wrong_usage_ends_with_two() -> Result<()> {
    let stage = Stage::new()?;
    let ann = stage.stranger("ann");
    for args in [
        &["dance"][..],
        &["group"],
        &["group", "create"],
        &["identity", "create"],
        &["remove", "--group", "Trip"],
        &["send", "--file", "a", "text"],
        &["invite", "--uses", "0"],
        &["invite", "--uses", "2", "--contact", "x"],
        &["invite", "--expires", "soon"],
        &["read", "--after", "-1"],
        &["serve", "--listen", "nowhere"],
        &["--unknown", "read"],
    ] {
        let ran = ann.run(args)?;
        assert!(ran.misused().is_ok(), "{args:?}: {ran:?}");
    }
    assert!(!ann.home().exists(), "a command that was not understood made a home");
    let help = ann.ok(&["help"])?;
    for command in ["serve", "demo", "identity", "group", "contact", "invite", "join", "send", "read"] {
        assert!(help.contains(command), "{help}");
    }
    Ok(())
}

#[test]
fn what_is_refused_is_said_in_one_line_with_a_code() -> Result<()> {
    let mut stage = Stage::new()?;
    let dan = stage.stranger("dan");
    dan.refused(&["identity", "show"], "no_identity")?;
    dan.refused(&["group", "create", "Trip", "--server", &stage.server.url()], "no_identity")?;
    dan.refused(&["join", "http://127.0.0.1:1/join#x"], "no_identity")?;
    dan.refused(&["send", "hello"], "no_such_group")?;
    let dan = dan.named("Dan")?;
    dan.refused(&["identity", "create", "--name", "Dora"], "identity_exists")?;
    dan.refused(&["contact"], "no_server")?;
    let alias = stage.server.url().replace("127.0.0.1", "localhost");
    let ran = dan.run(&["group", "create", "Trip", "--server", &alias])?;
    ran.refused("wrong_origin")?;
    assert!(ran.stderr.contains(&stage.server.url()), "{ran:?}");
    assert_eq!(dan.ok(&["group", "list"])?, "");
    dan.refused(&["join", "http://127.0.0.1:1/join#x"], "bad_text")?;
    dan.refused(&["join", "hello"], "bad_text")?;
    stage.stranger("eve").refused(&["identity", "create", "--name", ""], "bad_text")?;

    let (ann, ben) = ann_and_ben(&stage)?;
    ann.refused(&["send", "--group", "Trap", "hello"], "no_such_group")?;
    ann.refused(&["remove", "--group", "Trip", "--member", "Zoe"], "no_such_member")?;
    ann.refused(&["send", "--group", "Trip", ""], "empty_message")?;
    ann.pipe(b"\n", &["send", "--group", "Trip"])?.refused("empty_message")?;
    ann.pipe(&[b'x'; 70_000], &["send", "--group", "Trip"])?.refused("too_large")?;
    ann.refused(&["send", "--group", "Trip", "--file", "/nowhere"], "io")?;
    ann.refused(&["serve", "--listen", "192.0.2.1:1", "--set", "proofs.development=true"], "io")?;
    ann.refused(&["serve", "--set", "nothing.like=that"], "settings")?;
    Kith::at("/proc/nowhere").refused(&["identity", "show"], "io")?;
    // Not the owner.
    ben.refused(&["invite", "--group", "Trip"], "admin_only")?;
    ben.refused(&["remove", "--group", "Trip", "--member", "Ann"], "admin_only")?;
    ben.refused(&["group", "admin", "add", "--group", "Trip", "--member", "Ben"], "owner_only")?;
    ben.refused(&["group", "admin", "list", "Trip"], "owner_only")?;
    ben.refused(&["group", "close", "Trip"], "owner_only")?;
    // Nobody would be left.
    ann.ok(&["remove", "--group", "Trip", "--member", "Ben"])?;
    ann.refused(&["leave", "--group", "Trip"], "last_member")?;
    ben.refused(&["update-keys", "--group", "Trip"], "not_a_member")?;

    // A link that is used up, and one with a letter changed.
    let link = ann.ok(&["invite", "--group", "Trip"])?;
    let at = link.len() - 30;
    let other = if &link[at..=at] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &link[..at], &link[at + 1..]);
    dan.refused(&["join", &forged], "bad_text")?;
    dan.ok(&["join", &link])?;
    let eve = stage.person("Eve2")?;
    eve.refused(&["join", &link], "link_not_valid")?;

    ann.ok(&["group", "close", "Trip"])?;
    ann.refused(&["send", "--group", "Trip", "anybody?"], "group_closed")?;
    dan.refused(&["send", "--group", "Trip", "anybody?"], "group_closed")?;

    // No server.
    let book = ann.json(&["group", "create", "Book", "--server", &stage.server.url()])?;
    stage.server.kill()?;
    ann.refused(&["send", "--group", "Book", "hello"], "unreachable")?;
    ann.refused(&["group", "create", "More", "--server", &stage.server.url()], "unreachable")?;
    // What is here is shown all the same.
    let read = ann.run(&["--json", "read", "--group", "Book"])?;
    read.refused_with_output("unreachable")?;
    assert_eq!(read.stdout.lines().count(), 1, "{read:?}");
    assert_eq!(ann.ok(&["read", "--group", "Book", "--offline"])?.lines().count(), 1);
    let info = ann.run(&["--json", "group", "info", "--group", "Book"])?;
    info.refused_with_output("unreachable")?;
    assert!(info.stdout.contains(book["id"].as_str().unwrap()), "{info:?}");
    Ok(())
}

/// What the server refuses for now is over with the command: the next one is not held up by it.
#[test]
fn a_limit_is_told_and_leaves_nothing_behind() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    for _ in 0..32 {
        ann.ok(&["invite"])?;
    }
    ann.refused(&["invite"], "too_many_tickets")?;
    ann.ok(&["send", "enough of them"])?;

    ben.ok(&["send", "so be it"])?;
    assert_eq!(ann.texts("Trip")?.len(), 2);
    assert_eq!(ann.agreed("Trip")?, ben.agreed("Trip")?);
    Ok(())
}

#[test]
fn a_home_with_a_passphrase_opens_with_that_alone() -> Result<()> {
    let stage = Stage::new()?;
    let ann = stage.stranger("ann");
    let locked = ann.clone().with_passphrase("correct horse").named("Ann")?;
    assert!(locked.ok(&["identity", "show"])?.starts_with("Ann"));
    ann.refused(&["identity", "show"], "passphrase_needed")?;
    ann.with_passphrase("wrong").refused(&["identity", "show"], "wrong_key")?;
    assert!(locked.ok(&["identity", "show"])?.starts_with("Ann"));
    let ben = stage.person("Ben")?.with_passphrase("late");
    ben.refused(&["identity", "show"], "passphrase_not_used")?;
    Ok(())
}

#[test]
fn secrets_of_a_home_are_for_its_owner_alone() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::new()?;
    let (ann, _) = ann_and_ben(&stage)?;
    assert_eq!(fs::metadata(ann.home())?.permissions().mode() & 0o077, 0);
    for path in e2e::files_below(ann.home())? {
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o077, 0, "{}", path.display());
    }
    Ok(())
}
