//! `kith serve` with a NATS beside it: what members send is in the streams, also after both were away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test helpers"
)]

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use async_nats::jetstream;
use servers::{Nats, PATIENCE, Port, Process, Program, nats};

fn kith(home: &Path, args: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_kith"))
        .env_remove("KITH_PASSPHRASE")
        .env_remove("KITH_HOME")
        .arg("--home")
        .arg(home)
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn serve(data: &Path, port: u16, nats: &Nats) -> Process {
    let mut process = Program::new(env!("CARGO_BIN_EXE_kith"))
        .arg("serve")
        .arg("--data")
        .arg(data)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--set", &format!("nats.urls=[\"{}\"]", nats.url())])
        .args(["--set", "nats.partitions=1", "--set", "relay.lease=1s"])
        .start()
        .await
        .unwrap();
    process.line("the node is ready").await.unwrap();
    process
}

/// Waits until the stream holds so many messages, of one group.
async fn relayed(nats: &Nats, messages: u64) {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let jetstream = jetstream::new(client);
    let end = Instant::now() + PATIENCE;
    loop {
        let stream = jetstream.get_stream("kith-frames-0").await;
        let state = stream.ok().map(|stream| stream.cached_info().state.clone());
        let there = state.map(|state| (state.messages, state.subjects_count));
        if there == Some((messages, 1)) {
            return;
        }
        assert!(Instant::now() < end, "{there:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_an_embedded_log_are_in_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let (data, home) = (folder.path().join("data"), folder.path().join("home"));
    let mut nats = Nats::start(nats::Options::default()).await.unwrap();
    let port = Port::free().unwrap();
    let number = port.number();
    let mut server = serve(&data, number, &nats).await;
    let url = format!("http://127.0.0.1:{number}");

    kith(&home, &["identity", "create", "--name", "Ann"]);
    kith(&home, &["group", "create", "Trip", "--server", &url]);
    kith(&home, &["send", "--group", "Trip", "one"]);
    relayed(&nats, 2).await;

    // Without NATS the server works on.
    nats.kill().unwrap();
    kith(&home, &["send", "--group", "Trip", "two"]);
    nats.restart().await.unwrap();
    relayed(&nats, 3).await;

    assert_eq!(server.terminate(PATIENCE).await.unwrap().code(), Some(0));
    let mut server = serve(&data, number, &nats).await;
    kith(&home, &["send", "--group", "Trip", "three"]);
    relayed(&nats, 4).await;
    server.kill().unwrap();
}
