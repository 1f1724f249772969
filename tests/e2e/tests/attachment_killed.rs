//! A sender is killed while it brings a file to the service: nobody is told of it, and the sender goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use anyhow::Result;
use e2e::{Kith, Stage, until};
use files::{content, folder};
use liar::Liar;

#[path = "support/files.rs"]
mod files;
#[path = "support/liar.rs"]
mod liar;

fn kinds(person: &Kith) -> Result<Vec<String>> {
    let lines = person.json_lines(&["read"])?;
    Ok(lines.iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn in_the_middle_of_the_upload() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let liar = runtime.block_on(Liar::start());
    let stage = Stage::with(&["--set", &format!("listen.transistor={}", liar.url)])?;
    liar.show(stage.server.port());
    let (ann, ben) = (stage.person("Ann")?, stage.person("Ben")?);
    ann.ok(&["group", "create", "Trip", "--server", &stage.server.url()])?;
    ben.ok(&["join", &ann.ok(&["invite"])?])?;
    let path = stage.folder().join("film.mkv");
    std::fs::write(&path, content(20_000_000, 9))?;
    let send = ["send", "--group", "Trip", "--file", path.to_str().unwrap()];

    liar.hold();
    let mut sending = ann.spawn(&send)?;
    until("that the upload stands still", || Ok((liar.held() > 0).then_some(())))?;
    sending.kill()?;
    liar.repent();
    ann.ok(&["send", "still here"])?;
    for person in [&ann, &ben] {
        assert!(!kinds(person)?.contains(&"attachment".to_owned()), "a file was told of that nobody can get");
        assert!(!kinds(person)?.contains(&"unreadable".to_owned()));
    }

    // Once more, and to its end.
    ann.ok(&send)?;
    let value = ben.json_lines(&["read"])?.into_iter().find(|line| line["kind"] == "attachment").unwrap();
    let here = folder(stage.folder(), "received");
    let seq = value["seq"].to_string();
    ben.ok(&["fetch", &seq, "--save", here.to_str().unwrap()])?;
    assert!(std::fs::read(here.join("film.mkv"))? == content(20_000_000, 9));
    Ok(())
}
