//! Every state a client or a server can be in is still there after a restart. A client is restarted by every command.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{fs, path::Path};

use anyhow::Result;
use e2e::{Kith, Running, Stage, files_below};

fn ann_and_ben(stage: &Stage) -> Result<(Kith, Kith)> {
    let (ann, ben) = (stage.person("Ann")?, stage.person("Ben")?);
    ann.ok(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    ben.ok(&["join", &ann.ok(&["invite"])?])?;
    ann.ok(&["send", "hello"])?;
    ben.ok(&["send", "hello Ann"])?;
    Ok((ann, ben))
}

fn standing(person: &Kith) -> Result<String> {
    Ok(person.json(&["group", "info"])?["standing"].as_str().unwrap().to_owned())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for file in files_below(from)? {
        let target = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(target.parent().unwrap())?;
        fs::copy(&file, target)?;
    }
    Ok(())
}

#[test]
fn a_server_stopped_in_order_has_everything_when_it_starts() -> Result<()> {
    let mut stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let before = ann.agreed("Trip")?;
    stage.server.stop()?;
    stage.server.restart()?;
    assert_eq!(ann.agreed("Trip")?, before);
    assert_eq!(ben.agreed("Trip")?, before);
    // Somebody new reads the log from disk.
    let cleo = stage.person("Cleo")?;
    cleo.ok(&["join", &ann.ok(&["invite"])?])?;
    cleo.ok(&["send", "hello all"])?;
    assert_eq!(ben.texts("Trip")?.pop().unwrap().2, "hello all");
    Ok(())
}

#[test]
fn a_follower_outlives_its_server() -> Result<()> {
    let mut stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let mut following = ben.spawn(&["--json", "follow", "--after", "0"])?;
    following.line("what is there", |line| line.contains("hello Ann"))?;
    for n in 0..3 {
        stage.server.restart()?;
        ann.ok(&["send", &format!("life {n}")])?;
        following.line("what came after the restart", |line| line.contains(&format!("life {n}")))?;
    }
    stage.server.kill()?;
    ann.refused(&["send", "into the dark"], "unreachable")?;
    stage.server.restart()?;
    ann.ok(&["send", "light again"])?;
    following.line("what came last", |line| line.contains("light again"))?;
    // What was refused was not kept to be said later, and what was said comes once.
    let said: Vec<String> = ben.texts("Trip")?.into_iter().map(|(.., text)| text).collect();
    let expected = ["hello", "hello Ann", "life 0", "life 1", "life 2", "light again"];
    assert_eq!(said, expected);
    let texts = following.stdout().iter().filter(|line| line.contains("\"text\":")).count();
    assert_eq!(texts, expected.len(), "{:?}", following.stdout());
    assert!(following.interrupt()?.success());
    Ok(())
}

#[test]
fn a_removal_half_done() -> Result<()> {
    let mut stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let cleo = stage.person("Cleo")?;
    let link = ann.ok(&["invite"])?;
    ben.ok(&["leave"])?;
    stage.server.restart()?;
    let info = ann.json(&["group", "info"])?;
    assert_eq!((&info["clean"], &info["comparison"]), (&false.into(), &serde_json::Value::Null));
    // Nobody comes in, and nobody is heard, before that is completed.
    assert!(!cleo.run(&["join", &link])?.status.success());
    stage.server.restart()?;
    ann.ok(&["send", "without him"])?;
    assert_eq!(ann.json(&["group", "info"])?["clean"], true);
    assert_eq!(standing(&ben)?, "removed");
    stage.server.restart()?;
    assert_eq!(standing(&ben)?, "removed");
    ben.refused(&["send", "still here?"], "not_a_member")?;
    assert!(!ben.ok(&["read"])?.contains("without him"));
    Ok(())
}

#[test]
fn a_join_cut_off_by_the_end_of_the_server() -> Result<()> {
    let mut stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let link = ann.ok(&["invite", "--uses", "8"])?;
    let url = stage.server.url();
    let mut inside = 2;
    for n in 0..4 {
        let person = stage.person(&format!("Person{n}"))?;
        let mut joining: Running = person.spawn(&["-vv", "join", &link])?;
        if n > 0 {
            // Not at the very first step.
            let _ = joining.stderr();
        }
        stage.server.restart()?;
        joining.wait()?;
        // Whatever came of it, once more leads in, once.
        person.ok(&["join", &link])?;
        inside += 1;
        let info = ann.json(&["group", "info"])?;
        assert_eq!(info["members"].as_array().unwrap().len(), inside, "{info}");
        // By name, and the server gone between invite and join.
        let guest = stage.person(&format!("Guest{n}"))?;
        if n == 0 {
            let contact = guest.ok(&["contact", "--server", &url])?;
            let invite = ann.ok(&["invite", "--contact", &contact])?;
            stage.server.kill()?;
            guest.refused(&["join", &invite], "unreachable")?;
            stage.server.restart()?;
            assert_eq!(ann.json(&["group", "info"])?["members"][inside]["active"], false);
            guest.ok(&["join", &invite])?;
            guest.ok(&["send", "--group", "Trip", "I am in"])?;
            inside += 1;
        }
    }
    assert_eq!(ann.agreed("Trip")?, ben.agreed("Trip")?);
    Ok(())
}

#[test]
fn a_group_that_was_closed() -> Result<()> {
    let mut stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    ann.ok(&["group", "close"])?;
    stage.server.restart()?;
    for person in [&ann, &ben] {
        assert_eq!(standing(person)?, "closed");
        person.refused(&["send", "anybody?"], "group_closed")?;
        person.refused(&["update-keys"], "group_closed")?;
        assert_eq!(person.json_lines(&["read"])?.pop().unwrap()["kind"], "closed");
        assert!(person.ok(&["read"])?.contains("hello"));
    }
    ann.refused(&["invite"], "group_closed")?;
    Ok(())
}

/// The server comes back with an old copy of its data and gives positions a second time: who saw the first time stops,
/// with what was seen kept, and does not start again by itself.
#[test]
fn a_history_that_was_taken_back() -> Result<()> {
    let mut stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    stage.server.stop()?;
    let backup = stage.folder().join("backup");
    copy(stage.server.data(), &backup)?;
    stage.server.restart()?;
    ann.ok(&["send", "one"])?;
    ann.ok(&["send", "two"])?;
    assert!(ben.ok(&["read"])?.contains("two"));
    stage.server.kill()?;
    fs::remove_dir_all(stage.server.data())?;
    copy(&backup, stage.server.data())?;
    stage.server.restart()?;

    ann.refused(&["send", "three"], "forked")?;
    for _ in 0..2 {
        assert!(ann.run(&["--json", "group", "info"])?.stdout.contains("\"standing\":\"forked\""));
        ann.refused(&["send", "four"], "forked")?;
        ann.refused(&["update-keys"], "forked")?;
        // It is not one member's word that speaks against the server, so nobody's can be passed over.
        ann.refused(&["group", "overrule"], "not_possible")?;
        let read = ann.run(&["read"])?;
        read.refused_with_output("forked")?;
        assert!(read.stdout.contains("two") && !read.stdout.contains("three"));
        stage.server.restart()?;
    }
    Ok(())
}

#[test]
fn a_server_is_not_started_twice_on_one_folder() -> Result<()> {
    let stage = Stage::new()?;
    let data = stage.server.data().to_str().unwrap();
    let somebody = stage.stranger("somebody");
    let second = somebody.run(&["serve", "--data", data, "--listen", "127.0.0.1:0"])?;
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(second.stderr.trim_end().ends_with(']'), "no code: {second:?}");
    assert!(second.stderr.lines().last().unwrap().starts_with("kith: "), "{second:?}");
    Ok(())
}
