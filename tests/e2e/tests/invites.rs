//! Invitations that are used twice, too late, by the wrong person, or after things have changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use api::key_packages::MailboxId;
use e2e::{Kith, Ran, Stage, until};
use e2ee::contact::Contact;
use kith_client_sdk::{clock::SystemClock, http::NodeClient};
use serde_json::Value;

fn group_of(stage: &Stage, name: &str) -> Result<Kith> {
    let ann = stage.person(name)?;
    ann.ok(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    Ok(ann)
}

fn members(person: &Kith) -> Result<Vec<Value>> {
    Ok(person.json(&["group", "info"])?["members"].as_array().unwrap().clone())
}

fn names(person: &Kith) -> Result<Vec<String>> {
    Ok(members(person)?.iter().map(|m| m["name"].as_str().unwrap_or("?").to_owned()).collect())
}

#[test]
fn a_link_for_one_lets_in_one_of_two_who_come_at_once() -> Result<()> {
    let stage = Stage::new()?;
    let ann = group_of(&stage, "Ann")?;
    let link = ann.ok(&["invite"])?;
    let guests = [stage.person("Ben")?, stage.person("Cleo")?];
    let ran = thread::scope(|scope| {
        let joins = guests.each_ref().map(|guest| scope.spawn(|| guest.run(&["join", &link])));
        joins.map(|join| join.join().unwrap().unwrap())
    });
    let (inside, outside): (Vec<_>, Vec<&Ran>) = ran.iter().partition(|ran| ran.status.success());
    assert_eq!((inside.len(), outside.len()), (1, 1), "{ran:?}");
    outside[0].refused("link_not_valid")?;
    assert_eq!(members(&ann)?.len(), 2);
    // Whoever came too late is welcome by another one, in the same home.
    let late = &guests[usize::from(ran[0].status.success())];
    late.ok(&["join", &ann.ok(&["invite"])?])?;
    assert_eq!(members(&ann)?.len(), 3);
    Ok(())
}

#[test]
fn whoever_holds_a_link_comes_in_by_it_but_not_unseen() -> Result<()> {
    let stage = Stage::new()?;
    let ann = group_of(&stage, "Ann")?;
    let link = ann.ok(&["invite"])?;
    ann.ok(&["send", "before anybody came"])?;
    let thief = stage.person("Thief")?;
    thief.ok(&["join", &link])?;
    stage.person("Ben")?.refused(&["join", &link], "link_not_valid")?;
    let read = ann.json_lines(&["read"])?;
    let joined = read.iter().find(|line| line["kind"] == "joined").unwrap();
    assert_eq!(joined["sender"], "Thief");
    assert_eq!(names(&ann)?, ["Ann", "Thief"]);
    assert!(!thief.ok(&["read"])?.contains("before anybody came"), "a link opens what was said before");
    ann.ok(&["remove", "--member", "Thief"])?;
    assert_eq!(names(&ann)?, ["Ann"]);
    Ok(())
}

#[test]
fn a_link_ends_with_its_time_and_with_any_removal() -> Result<()> {
    let stage = Stage::new()?;
    let ann = group_of(&stage, "Ann")?;
    let ben = stage.person("Ben")?;
    ben.ok(&["join", &ann.ok(&["invite"])?])?;

    let short = ann.ok(&["invite", "--expires", "1s"])?;
    until("the end of the link", || {
        ann.ok(&["update-keys"])?;
        Ok((ann.json(&["group", "info"])?["tickets"] == 0).then_some(()))
    })?;
    let cleo = stage.person("Cleo")?;
    cleo.refused(&["join", &short], "link_not_valid")?;

    let old = ann.ok(&["invite"])?;
    ann.ok(&["remove", "--member", "Ben"])?;
    cleo.refused(&["join", &old], "link_not_valid")?;
    assert_eq!(names(&ann)?, ["Ann"]);

    // One whose issuer has left.
    let dan = stage.person("Dan")?;
    dan.ok(&["join", &ann.ok(&["invite"])?])?;
    let orphaned = ann.ok(&["invite"])?;
    ann.ok(&["leave"])?;
    dan.ok(&["send", "she is gone"])?;
    cleo.refused(&["join", &orphaned], "link_not_valid")?;
    Ok(())
}

#[test]
fn a_link_is_good_long_after_it_was_made() -> Result<()> {
    let stage = Stage::new()?;
    let ann = group_of(&stage, "Ann")?;
    let link = ann.ok(&["invite"])?;
    let ben = stage.person("Ben")?;
    ben.ok(&["join", &ann.ok(&["invite"])?])?;
    for n in 0..4 {
        ann.ok(&["send", &format!("message {n}")])?;
        ben.ok(&["update-keys"])?;
    }
    let cleo = stage.person("Cleo")?;
    cleo.ok(&["join", &link])?;
    ben.ok(&["send", "welcome"])?;
    assert_eq!(cleo.texts("Trip")?.pop().unwrap().2, "welcome");
    assert_eq!(cleo.agreed("Trip")?, ann.agreed("Trip")?);
    assert_eq!(names(&cleo)?, ["Ann", "Ben", "Cleo"]);
    Ok(())
}

#[test]
fn an_invite_by_name_opens_for_that_person_alone_and_once() -> Result<()> {
    let stage = Stage::new()?;
    let ann = group_of(&stage, "Ann")?;
    let (ben, cleo) = (stage.person("Ben")?, stage.person("Cleo")?);
    let contact = ben.ok(&["contact", "--server", &stage.server.url()])?;
    cleo.ok(&["contact", "--server", &stage.server.url()])?;
    let invite = ann.ok(&["invite", "--contact", &contact])?;
    let invited = &members(&ann)?[1];
    assert_eq!((&invited["name"], &invited["active"]), (&"Ben".into(), &false.into()));
    cleo.refused(&["join", &invite], "bad_text")?;
    let cut = &invite[..invite.len() - 4];
    ben.refused(&["join", cut], "bad_text")?;
    ann.refused(&["invite", "--contact", "kith-contact1.abc"], "bad_text")?;

    // What was said between the invite and the join is for the invitee, too.
    ann.ok(&["send", "while he thinks about it"])?;
    ben.ok(&["join", &invite])?;
    assert!(ben.ok(&["read"])?.contains("while he thinks about it"));
    ben.refused(&["join", &invite], "bad_text")?;
    assert_eq!(names(&ann)?, ["Ann", "Ben"]);
    assert_eq!(names(&ben)?, ["Ann", "Ben"]);
    Ok(())
}

#[test]
fn key_packages_run_out_down_to_the_last_resort() -> Result<()> {
    let stage = Stage::new()?;
    let ann = group_of(&stage, "Ann")?;
    let ben = stage.person("Ben")?;
    let text = ben.ok(&["contact", "--server", &stage.server.url()])?;
    let mailbox = MailboxId::new(*Contact::parse(&text).unwrap().secret.mailbox().as_bytes());
    let node = NodeClient::new(&stage.server.url(), Arc::new(SystemClock))?;
    let runtime = tokio::runtime::Runtime::new()?;
    let mut claimed = runtime.block_on(async {
        let mut claimed = Vec::new();
        while node.mailbox_status(&mailbox).await?.remaining > 0 {
            claimed.push(node.claim_key_package(&mailbox).await?.sealed.as_bytes().to_vec());
        }
        anyhow::Ok(claimed)
    })?;
    let taken = claimed.len();
    claimed.sort();
    claimed.dedup();
    assert!(taken >= 10 && claimed.len() == taken, "a package was given twice");

    let invite = ann.ok(&["invite", "--contact", &text])?;
    ben.ok(&["join", &invite])?;
    // The same package in another group, and not twice in one.
    ann.ok(&["group", "create", "Book", "--server", &stage.server.url()])?;
    let other = ann.ok(&["invite", "--group", "Book", "--contact", &text])?;
    ben.ok(&["join", &other])?;
    ann.refused(&["invite", "--group", "Book", "--contact", &text], "duplicate_signature_key")?;
    // Asking for the contact once more fills the mailbox.
    assert_eq!(ben.ok(&["contact", "--server", &stage.server.url()])?, text);
    let left = runtime.block_on(node.mailbox_status(&mailbox))?.remaining;
    assert_eq!(usize::try_from(left)?, taken);
    Ok(())
}

#[test]
fn an_invite_that_lapses_is_freed_and_its_place_taken_by_others() -> Result<()> {
    let stage = Stage::new()?;
    let ann = group_of(&stage, "Ann")?;
    let ben = stage.person("Ben")?;
    let contact = ben.ok(&["contact", "--server", &stage.server.url()])?;
    let invite = ann.ok(&["invite", "--contact", &contact, "--expires", "1s"])?;
    assert_eq!(members(&ann)?.len(), 2);
    until("the end of the invite", || {
        ann.ok(&["group", "heal"])?;
        Ok((members(&ann)?.len() == 1).then_some(()))
    })?;
    ben.refused(&["join", &invite], "invite_not_valid")?;
    let again = ann.ok(&["invite", "--contact", &contact])?;
    ben.ok(&["join", &again])?;
    assert_eq!(members(&ann)?.len(), 2);

    // Lapsed and not freed yet.
    let cleo = stage.person("Cleo")?;
    let contact = cleo.ok(&["contact", "--server", &stage.server.url()])?;
    let invite = ann.ok(&["invite", "--contact", &contact, "--expires", "1s"])?;
    let begun = Instant::now();
    until("the end of the invite", || {
        // Time in the group is that of its operations.
        ann.ok(&["update-keys"])?;
        Ok((begun.elapsed() > Duration::from_secs(2)).then_some(()))
    })?;
    cleo.refused(&["join", &invite], "invite_expired")?;
    cleo.refused(&["send", "--group", "Trip", "I am late"], "not_joined")?;
    ann.ok(&["group", "heal"])?;
    assert_eq!(members(&ann)?.len(), 2);
    assert_eq!(cleo.json_lines(&["read"])?.pop().unwrap()["kind"], "removed_self");
    Ok(())
}

#[test]
fn an_invite_dies_with_its_inviter_s_place() -> Result<()> {
    let stage = Stage::new()?;
    let ann = group_of(&stage, "Ann")?;
    let (ben, cleo) = (stage.person("Ben")?, stage.person("Cleo")?);
    ben.ok(&["join", &ann.ok(&["invite"])?])?;
    ann.ok(&["send", "hello"])?;
    let contact = cleo.ok(&["contact", "--server", &stage.server.url()])?;
    let invite = ann.ok(&["invite", "--contact", &contact])?;
    ann.ok(&["leave"])?;
    // Two places have to be renewed before anybody speaks: hers, and the one whose secret she chose.
    ben.ok(&["send", "so it is me alone"])?;
    assert_eq!(names(&ben)?, ["Ben"]);
    cleo.refused(&["join", &invite], "invite_not_valid")?;
    Ok(())
}
