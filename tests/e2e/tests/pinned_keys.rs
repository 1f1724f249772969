//! Keys from a folder: a server and people who use the same, and those who use others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::fs;

use anyhow::Result;
use e2e::{Kith, Server};

#[test]
fn a_group_lives_under_pinned_keys_and_nobody_with_others_gets_in() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys");
    let keys = keys.to_str().unwrap();
    let maker = Kith::at(folder.path().join("maker"));
    let made = maker.json(&["keys", "develop", "--circuit", "t8", "--output", keys])?;
    let pin = made["manifest_hash"].as_str().unwrap();
    let shown = maker.json(&["keys", "show", keys])?;
    assert_eq!((&shown["manifest_hash"], &shown["development"]), (&made["manifest_hash"], &true.into()));

    let (set_keys, set_pin) = (format!("proofs.keys={keys}"), format!("proofs.pin={pin}"));
    let told = ["--set", &set_keys, "--set", &set_pin];
    // Made from a public seed, so the server wants to be told that they will do.
    let data = folder.path().join("refused").to_str().unwrap().to_owned();
    let mut serve = vec!["serve", "--data", &data, "--listen", "127.0.0.1:0"];
    serve.extend(told);
    maker.refused(&serve, "settings")?;
    let mut all = told.to_vec();
    all.extend(["--set", "proofs.development=true"]);
    let server = Server::start_with(folder.path().join("server"), &all)?;
    let url = server.url();

    let ann = Kith::at(folder.path().join("ann")).named("Ann")?;
    let create = ["group", "create", "Trip", "--server", &url];
    // With the program's own keys, of all circuits.
    ann.refused(&create, "unknown_params")?;
    let with = |args: &[&'static str], pin: &str| -> Vec<String> {
        let mut all = vec!["--keys".to_owned(), keys.to_owned(), "--keys-pin".to_owned(), pin.to_owned()];
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        all
    };
    let other = "00".repeat(32);
    let mut founding = with(&["group", "create", "Trip", "--server"], &other);
    founding.push(url.clone());
    ann.refused(&founding.iter().map(String::as_str).collect::<Vec<_>>(), "keys_not_pinned")?;
    let mut founding = with(&["group", "create", "Trip", "--server"], pin);
    founding.push(url);
    ann.ok(&founding.iter().map(String::as_str).collect::<Vec<_>>())?;
    let update = with(&["update-keys"], pin);
    let update: Vec<&str> = update.iter().map(String::as_str).collect();
    ann.ok(&update)?;

    // A proving key that is not the listed one is never used.
    let proving = fs::read_dir(keys)?.map(|entry| entry.unwrap().path());
    let proving = proving.into_iter().find(|path| path.extension().is_some_and(|e| e == "pk")).unwrap();
    let mut bytes = fs::read(&proving)?;
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&proving, bytes)?;
    ann.refused(&update, "keys_not_pinned")?;
    Ok(())
}

#[test]
fn a_server_others_could_reach_wants_to_be_told_its_keys() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let kith = Kith::at(folder.path().join("home"));
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    kith.refused(&["serve", "--data", &data, "--listen", "0.0.0.0:0"], "settings")?;
    let file = folder.path().join("kith.toml");
    fs::write(&file, "[listen]\naddress = \"127.0.0.1:0\"\n")?;
    kith.refused(&["serve", "--data", &data, "--config", file.to_str().unwrap()], "settings")?;
    let no = ["serve", "--data", &data, "--listen", "127.0.0.1:0", "--set", "proofs.development=false"];
    kith.refused(&no, "settings")?;
    Ok(())
}
