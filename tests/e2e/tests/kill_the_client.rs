//! A client is killed at every stage of what it does; the next command goes on without a gap, a repeat, or a key used
//! twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use e2e::{Kith, Stage};
use serde_json::Value;

/// Moments of death within one command.
const DEATHS: u32 = 10;

/// Runs a command to its end to see how long it takes, then once for every moment of death. Gives what of it was told
/// before it died.
fn die_of(
    whole: Duration,
    deaths: u32,
    mut run: impl FnMut(u32) -> Result<e2e::Running>,
    mut after: impl FnMut(u32, bool) -> Result<()>,
) -> Result<()> {
    for death in 0..deaths {
        let mut running = run(death)?;
        // A moment of death, not a wait for anything.
        std::thread::sleep(whole * death / (deaths - 1));
        running.kill()?;
        let told = !running.stdout().is_empty();
        after(death, told)?;
    }
    Ok(())
}

fn timed<T>(run: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let begun = Instant::now();
    let done = run()?;
    Ok((done, begun.elapsed()))
}

fn ann_and_ben(stage: &Stage) -> Result<(Kith, Kith)> {
    let (ann, ben) = (stage.person("Ann")?, stage.person("Ben")?);
    ann.ok(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    ben.ok(&["join", &ann.ok(&["invite"])?])?;
    Ok((ann, ben))
}

/// Everybody reads everything in one order, and nothing that anybody could not open.
fn all_agree(people: &[&Kith]) -> Result<Vec<(u64, String, String)>> {
    // Whoever comes first may still bring something to the log.
    for person in people {
        person.ok(&["read", "--group", "Trip"])?;
    }
    let states = people.iter().map(|person| person.agreed("Trip")).collect::<Result<Vec<_>>>()?;
    assert!(states.windows(2).all(|pair| pair[0] == pair[1]), "{states:?}");
    for person in people {
        let lines = person.json_lines(&["read", "--group", "Trip"])?;
        let unreadable: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "unreadable").collect();
        assert!(unreadable.is_empty(), "{unreadable:?}");
        let seqs: Vec<_> = lines.iter().map(|line| line["seq"].as_u64()).collect();
        assert!(seqs.is_sorted(), "{seqs:?}");
    }
    let texts = people.iter().map(|person| person.texts("Trip")).collect::<Result<Vec<_>>>()?;
    assert!(texts.windows(2).all(|pair| pair[0].ends_with(&pair[1]) || pair[1].ends_with(&pair[0])));
    Ok(texts.into_iter().next().unwrap())
}

#[test]
fn while_sending() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let (_, whole) = timed(|| ann.ok(&["send", "whole"]))?;
    let mut told = BTreeMap::new();
    die_of(
        whole,
        DEATHS,
        |n| ann.spawn(&["--json", "send", &format!("message {n}")]),
        |n, was_told| {
            told.insert(n, was_told);
            if n % 3 == 2 {
                // The epoch moves on between the death and the next command.
                ben.ok(&["update-keys"])?;
            }
            ann.ok(&["send", &format!("after {n}")])?;
            Ok(())
        },
    )?;
    let texts = all_agree(&[&ann, &ben])?;
    let times = |wanted: &str| texts.iter().filter(|(.., text)| text == wanted).count();
    for (n, told) in told {
        let times_read = times(&format!("message {n}"));
        assert!(times_read <= 1, "sent {times_read} times");
        assert!(times_read == 1 || !told, "acknowledged and lost");
        assert_eq!(times(&format!("after {n}")), 1);
        // In the order in which they were given, where both were.
        let at = |wanted: String| texts.iter().position(|(.., text)| *text == wanted);
        assert!(at(format!("message {n}")) < at(format!("after {n}")));
    }
    Ok(())
}

#[test]
fn while_updating_keys() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let (_, whole) = timed(|| ann.ok(&["update-keys"]))?;
    let mut epoch = ann.json(&["group", "info"])?["epoch"].as_u64().unwrap();
    die_of(
        whole,
        DEATHS,
        |_| ann.spawn(&["--json", "update-keys"]),
        |n, told| {
            if n % 3 == 1 {
                // Somebody else is faster than what the dead one had on its way.
                ben.ok(&["update-keys"])?;
                epoch += 1;
            }
            ann.ok(&["send", &format!("after {n}")])?;
            let now = ann.json(&["group", "info"])?["epoch"].as_u64().unwrap();
            assert!(now == epoch + 1 || now == epoch && !told, "epoch {epoch} became {now}, told: {told}");
            epoch = now;
            Ok(())
        },
    )?;
    assert_eq!(all_agree(&[&ann, &ben])?.len(), DEATHS as usize);
    Ok(())
}

#[test]
fn while_joining_by_a_link() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let link = ann.ok(&["invite", "--uses", "20"])?;
    let first = stage.person("First")?;
    let (_, whole) = timed(|| first.ok(&["join", &link]))?;
    let mut people = vec![ann, ben, first];
    die_of(
        whole,
        6,
        |n| stage.person(&format!("Person{n}"))?.spawn(&["join", &link]),
        |n, _| {
            let person = stage.stranger(&format!("person{n}"));
            person.ok(&["join", &link])?;
            person.ok(&["send", "--group", "Trip", &format!("hello from {n}")])?;
            people.push(person);
            Ok(())
        },
    )?;
    let texts = all_agree(&people.iter().collect::<Vec<_>>())?;
    assert_eq!(texts.len(), 6);
    let info = people[0].json(&["group", "info"])?;
    let members = info["members"].as_array().unwrap();
    assert_eq!(members.len(), people.len(), "somebody is in twice: {members:?}");
    Ok(())
}

#[test]
fn while_joining_by_name() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let mut people = vec![ann, ben];
    let mut invite = |name: &str| -> Result<(Kith, String)> {
        let person = stage.person(name)?;
        let contact = person.ok(&["contact", "--server", &stage.server.url()])?;
        let invite = people[0].ok(&["invite", "--contact", &contact])?;
        people.push(person.clone());
        Ok((person, invite))
    };
    let (first, text) = invite("First")?;
    let (_, whole) = timed(|| first.ok(&["join", &text]))?;
    for death in 0..5 {
        let (person, text) = invite(&format!("Person{death}"))?;
        let mut running = person.spawn(&["join", &text])?;
        std::thread::sleep(whole * death / 4);
        running.kill()?;
        let joined = person.run(&["join", &text])?;
        if !joined.status.success() {
            // It had come so far that the invite has served.
            joined.refused("bad_text")?;
        }
        person.ok(&["send", "--group", "Trip", "hello"])?;
    }
    let texts = all_agree(&people.iter().collect::<Vec<_>>())?;
    assert_eq!(texts.len(), 5);
    assert_eq!(people[0].json(&["group", "info"])?["members"].as_array().unwrap().len(), people.len());
    Ok(())
}

#[test]
fn while_removing() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let link = ann.ok(&["invite", "--uses", "20"])?;
    let join = |name: &str| -> Result<Kith> {
        let person = stage.person(name)?;
        person.ok(&["join", &link])?;
        Ok(person)
    };
    // Keyed by nobody, then keyed by Ann, who so has more to renew.
    join("First")?;
    let (_, whole) = timed(|| ann.ok(&["remove", "--member", "First"]))?;
    die_of(
        whole,
        6,
        |n| {
            // A removal ends all links.
            let link = ann.ok(&["invite"])?;
            let person = stage.person(&format!("Person{n}"))?;
            person.ok(&["join", &link])?;
            ann.spawn(&["remove", "--member", &format!("Person{n}")])
        },
        |n, told| {
            let name = format!("Person{n}");
            let again = ann.run(&["remove", "--member", &name])?;
            if !again.status.success() {
                again.refused("no_such_member")?;
            }
            assert!(!told || !again.status.success(), "removed and still there");
            ann.ok(&["send", &format!("without {n}")])?;
            let gone = stage.stranger(&format!("person{n}"));
            let last = gone.json_lines(&["read"])?.pop().unwrap();
            assert_eq!(last["kind"], "removed_self");
            Ok(())
        },
    )?;
    assert_eq!(all_agree(&[&ann, &ben])?.len(), 6);
    assert_eq!(ann.json(&["group", "info"])?["members"].as_array().unwrap().len(), 2);
    Ok(())
}

#[test]
fn while_founding_and_inviting() -> Result<()> {
    let stage = Stage::new()?;
    let (ann, ben) = ann_and_ben(&stage)?;
    let url = stage.server.url();
    let (_, whole) = timed(|| ann.ok(&["group", "create", "First", "--server", &url]))?;
    die_of(
        whole,
        5,
        |n| ann.spawn(&["group", "create", &format!("Group{n}"), "--server", &url]),
        |n, told| {
            let name = format!("Group{n}");
            let sent = ann.run(&["send", "--group", &name, "hello"])?;
            // It is there as a whole or not at all.
            if !sent.status.success() {
                assert!(!told, "founded and gone");
                sent.refused("no_such_group")?;
            }
            Ok(())
        },
    )?;
    let contact = ben.ok(&["contact", "--server", &url])?;
    let (_, whole) = timed(|| ann.ok(&["invite", "--group", "First", "--contact", &contact]))?;
    die_of(
        whole,
        5,
        |n| {
            if n % 2 == 0 {
                ann.spawn(&["invite", "--group", "Trip", "--contact", &contact])
            } else {
                ann.spawn(&["invite", "--group", "Trip"])
            }
        },
        |n, _| ann.ok(&["send", "--group", "Trip", &format!("after {n}")]).map(drop),
    )?;
    assert_eq!(all_agree(&[&ann, &ben])?.len(), 5);
    Ok(())
}
