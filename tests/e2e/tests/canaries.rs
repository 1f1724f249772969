//! Everything is done once with words that stand out; afterwards none of them is found at the server, in its log, on
//! the wire, or readable in a home.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::fs;

use anyhow::Result;
use e2e::{Kith, Needles, Server, Tee, files_below, free_port};
use e2ee::{contact::Contact, invite::SealedInvite, ticket::TicketLink};

const NAMES: [&str; 4] =
    ["Annabella Zwicknagl", "Benjamin Quetzal", "Cleopatra Xylophon", "Désirée Yggdrasil"];
const TITLE: &str = "Voyage to Ouagadougou";
const TEXTS: [&str; 3] = [
    "the treasure lies beneath the third palm",
    "meet me at midnight by the crooked mill",
    "burn this letter",
];
const FILE: &str = "secret-route-map.txt";
const CONTENT: &str = "north by northwest until the red lighthouse, then wait for the signal";

/// What of a run is told to nobody but members.
struct Played {
    needles: Needles,
    homes: Vec<Kith>,
    group: String,
}

fn identity(needles: &mut Needles, person: &Kith) -> Result<()> {
    let shown = person.json(&["identity", "show"])?;
    let name = shown["name"].as_str().unwrap();
    needles.text("a name", name);
    let key = shown["key"].as_str().unwrap();
    let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&key[2 * i..2 * i + 2], 16).unwrap()).collect();
    needles.secret("an identity key", &bytes);
    needles.text("a fingerprint", shown["fingerprint"].as_str().unwrap());
    Ok(())
}

fn link(needles: &mut Needles, text: &str) {
    let link = TicketLink::parse(text).unwrap();
    needles.secret("a ticket's secret", &*link.ticket().to_seed());
    needles.text("a link", text.split('#').nth(1).unwrap());
}

/// Every command there is, by four people.
fn play(folder: &std::path::Path, url: &str) -> Result<Played> {
    let mut needles = Needles::default();
    for text in TEXTS.iter().chain([&TITLE, &FILE, &CONTENT]) {
        needles.text(text, text);
    }
    let homes = (0..4)
        .map(|i| Kith::at(folder.join(format!("home{i}"))).named(NAMES[i]))
        .collect::<Result<Vec<_>>>()?;
    for home in &homes {
        identity(&mut needles, home)?;
    }
    let [ann, ben, cleo, desiree] = homes.as_slice() else { panic!("four homes") };

    let group = ann.json(&["group", "create", TITLE, "--server", url])?["id"].as_str().unwrap().to_owned();
    let for_ben = ann.ok(&["invite", "--uses", "2"])?;
    link(&mut needles, &for_ben);
    ben.ok(&["join", &for_ben])?;
    let contact = cleo.ok(&["contact", "--server", url])?;
    needles.secret("a contact's secret", &*Contact::parse(&contact).unwrap().secret.to_bytes());
    needles.text("a contact", contact.split('.').nth(1).unwrap());
    let invite = ann.ok(&["invite", "--contact", &contact])?;
    SealedInvite::parse(&invite).unwrap();
    needles.text("an invite", invite.split('.').nth(1).unwrap());
    cleo.ok(&["join", &invite])?;
    desiree.ok(&["join", &for_ben])?;

    ann.ok(&["send", TEXTS[0]])?;
    let mut following = cleo.spawn(&["follow"])?;
    ben.pipe(TEXTS[1].as_bytes(), &["send"])?.ok()?;
    let file = folder.join(FILE);
    fs::write(&file, CONTENT)?;
    cleo.ok(&["send", "--file", file.to_str().unwrap()])?;
    following.line("the file", |line| line.contains(FILE))?;
    following.interrupt()?;
    ben.ok(&["update-keys"])?;
    ann.ok(&["remove", "--member", NAMES[2]])?;
    desiree.ok(&["leave"])?;
    ann.ok(&["send", TEXTS[2]])?;
    ben.ok(&["group", "rejoin"])?;
    for home in &homes {
        home.ok(&["read"])?;
        home.ok(&["group", "info"])?;
        home.ok(&["group", "list"])?;
    }
    // Everybody was told, so that what follows is not about nothing.
    assert!(ben.ok(&["read"])?.contains(TEXTS[2]));
    ann.ok(&["group", "heal"])?;
    ann.ok(&["group", "close"])?;
    fs::remove_file(file)?;
    Ok(Played { needles, homes, group })
}

/// Tokens that went over the wire.
fn tokens(heard: &[Vec<u8>]) -> Vec<String> {
    let mut tokens: Vec<String> = heard
        .iter()
        .flat_map(|stream| {
            let text = String::from_utf8_lossy(stream).into_owned();
            let lines = text.lines().filter(|line| line.to_ascii_lowercase().starts_with("authorization: "));
            lines.filter_map(|line| line.split(' ').nth(2).map(str::to_owned)).collect::<Vec<_>>()
        })
        .collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

#[test]
fn nothing_of_what_people_say_or_are_is_found_outside() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let url = format!("http://127.0.0.1:{port}");
    let mut server = Server::start_with(
        folder.path().join("server"),
        &["--origin", &url, "--set", "log.filter=trace", "--set", "log.format=json"],
    )?;
    let tee = Tee::start(port, server.port())?;
    assert_eq!(tee.url(), url);
    let people = folder.path().join("people");
    fs::create_dir(&people)?;
    let Played { mut needles, homes, group } = play(&people, &url)?;
    server.stop()?;

    let heard = tee.heard();
    assert!(heard.iter().map(Vec::len).sum::<usize>() > 50_000, "the wire was elsewhere");
    for (n, stream) in heard.iter().enumerate() {
        assert_eq!(needles.in_bytes(stream), [""; 0], "on the wire, stream {n}");
    }
    for home in &homes {
        assert_eq!(needles.below(home.home())?, [""; 0], "in a home");
    }

    // What does go over the wire stays out of disk and log.
    let tokens = tokens(&heard);
    assert!(tokens.len() > 4, "{tokens:?}");
    for token in &tokens {
        needles.text("a token", token);
    }
    assert!(files_below(server.data())?.len() > 2);
    assert_eq!(needles.below(server.data())?, [""; 0], "at the server");
    needles.text("a group's id", &group);
    let log = server.log();
    assert!(log.len() > 100, "the log says little: {log:?}");
    for line in log {
        assert_eq!(needles.in_bytes(line.as_bytes()), [""; 0], "{line}");
    }
    Ok(())
}
