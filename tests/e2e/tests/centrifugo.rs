//! A member hears of frames through a real Centrifugo, with tokens of the node, and by nothing else.
//!
//! Centrifugo is built from source, so `scripts/servers` installs it only when asked, and so is this test. What stands
//! between the relay's streams and a channel in a site's Centrifugo is done here over its server interface.

#![allow(clippy::indexing_slicing, reason = "test helpers")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use anyhow::{Context as _, Result, ensure};
use e2e::{PATIENCE, Stage};
use kith_client_sdk::{CentrifugoTokens, Client, Group, Position, Suite};
use serde_json::{Value, json};
use servers::{Centrifugo, installed};

const SECRET: &str = "a secret that is shared with Centrifugo";
/// The configuration that the book shows, with what a test needs besides.
const CONFIG: &str = include_str!("../../../docs/src/operations/centrifugo/version-5.json");
/// The claims that configuration asks for.
const CLAIMS: [&str; 2] = ["--set=centrifugo.audience=push.example", "--set=centrifugo.issuer=kith.example"];

/// A client of Centrifugo: the project's own library on Node.js, and what it prints.
struct Reader {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
}

impl Reader {
    fn connect(centrifugo: &Centrifugo, connection: &str) -> Result<Self> {
        let library = installed("centrifuge-client", "node_modules")?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/centrifuge.js");
        let url = format!("ws://127.0.0.1:{}/connection/websocket", centrifugo.port());
        let mut child = Command::new("node")
            .args([script, &url, connection])
            .env("NODE_PATH", library)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("node cannot be started")?;
        let stdout = child.stdout.take().context("no output")?;
        let (into, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line) {
                    let _gone = into.send(value);
                }
            }
        });
        let stdin = child.stdin.take();
        Ok(Self { child, stdin, lines })
    }

    fn next(&self) -> Result<Value> {
        self.lines.recv_timeout(PATIENCE).context("the reader says nothing")
    }

    fn expect(&self, event: &str) -> Result<Value> {
        let said = self.next()?;
        ensure!(said["event"] == event, "{said} instead of {event}");
        Ok(said)
    }

    fn subscribe(&mut self, channel: &str, token: &str) -> Result<()> {
        let order = json!({ "channel": channel, "token": token });
        let stdin = self.stdin.as_mut().context("it is gone")?;
        Ok(writeln!(stdin, "{order}")?)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A site: a node, a Centrifugo, and somebody with groups.
struct Site {
    stage: Stage,
    centrifugo: Centrifugo,
    client: Client,
}

impl Site {
    async fn new(lifetime: &str) -> Result<Self> {
        let secret = format!("--set=centrifugo.secret={SECRET}");
        let lifetime = format!("--set=centrifugo.lifetime={lifetime}");
        let stage =
            tokio::task::spawn_blocking(move || Stage::with(&[&secret, &lifetime, CLAIMS[0], CLAIMS[1]]))
                .await??;
        let mut config: Value = serde_json::from_str(CONFIG)?;
        config["token_hmac_secret_key"] = SECRET.into();
        config["api_key"] = "for this test".into();
        let centrifugo = Centrifugo::start(&config).await?;
        let client = stage.client("Ann").await?;
        Ok(Self { stage, centrifugo, client })
    }

    async fn group(&self, title: &str) -> Result<Group> {
        Ok(self.client.create_group(title, &self.stage.server.url(), Suite::Aes256Gcm).await?)
    }

    /// Publishes what a relay's message of this position says, as Centrifugo's own consumer does.
    async fn publish(&self, group: &Group, seq: u64) -> Result<()> {
        let data = json!({ "id": format!("1-{seq}"), "seq": seq, "received_at_ms": 0, "frame": "AA==" });
        let publication = json!({
            "channel": format!("kith:{}", group.id()),
            "idempotency_key": format!("1:{}:{seq}", group.id()),
            "data": data,
        });
        let answer = reqwest::Client::new()
            .post(format!("{}/api/publish", self.centrifugo.url()))
            .header("x-api-key", "for this test")
            .body(publication.to_string())
            .send()
            .await?
            .text()
            .await?;
        ensure!(!answer.contains("error"), "{answer}");
        Ok(())
    }
}

fn changed(token: &str) -> String {
    // The last character but some of a code: another one makes another code.
    let (rest, last) = token.split_at(token.len() - 8);
    let swapped: String = last.chars().map(|c| if c == 'A' { 'B' } else { 'A' }).collect();
    format!("{rest}{swapped}")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs scripts/servers centrifugo centrifuge-client"]
async fn frames_reach_a_member_in_order_and_a_gap_is_filled_from_the_node() -> Result<()> {
    let site = Site::new("5m").await?;
    let (trip, work) = (site.group("Trip").await?, site.group("Work").await?);
    let CentrifugoTokens { channel, connection, .. } = trip.centrifugo_tokens().await?;
    let other = work.centrifugo_tokens().await?;

    let mut reader = Reader::connect(&site.centrifugo, connection.expose())?;
    ensure!(reader.expect("connected")?["channels"] == json!([channel.as_str()]));
    // A second group on the same connection.
    reader.subscribe(other.channel.as_str(), other.subscription.expose())?;
    ensure!(reader.expect("subscribed")?["channel"] == other.channel.as_str());

    let mut sent = Vec::new();
    for text in ["one", "two", "three", "four", "five"] {
        sent.push(trip.send_text(text).await?);
    }
    ensure!(sent == [1, 2, 3, 4, 5], "{sent:?}");
    for seq in [1, 2, 2, 3] {
        site.publish(&trip, seq).await?;
    }
    site.publish(&work, 1).await?;
    for seq in [1, 2, 3] {
        let said = reader.expect("frame")?;
        ensure!(said["channel"] == channel.as_str() && said["data"]["seq"] == seq, "{said}");
    }
    ensure!(reader.expect("frame")?["channel"] == other.channel.as_str());

    // One is lost on the way: the reader sees it by the position, and the node has it.
    site.publish(&trip, 5).await?;
    let said = reader.expect("gap")?;
    ensure!(said["after"] == 3 && said["seq"] == 5, "{said}");
    trip.sync().await?;
    let entries = trip.entries(Position(0), 100).await?;
    ensure!(entries.iter().any(|entry| entry.seq == 4));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs scripts/servers centrifugo centrifuge-client"]
async fn nothing_else_opens_a_channel() -> Result<()> {
    let site = Site::new("30s").await?;
    let (trip, work) = (site.group("Trip").await?, site.group("Work").await?);
    let (tokens, other) = (trip.centrifugo_tokens().await?, work.centrifugo_tokens().await?);

    for wrong in
        [changed(tokens.connection.expose()), tokens.subscription.expose().to_owned(), "x".to_owned()]
    {
        let reader = Reader::connect(&site.centrifugo, &wrong)?;
        let said = reader.expect("disconnected")?;
        ensure!(said["code"] == 3500, "{said}");
    }
    // Neither without a token, nor with one for another channel, nor with a connection's: the server says no, or ends
    // the connection.
    let others = [
        String::new(),
        tokens.subscription.expose().to_owned(),
        other.connection.expose().to_owned(),
        changed(other.subscription.expose()),
    ];
    for token in others {
        let mut reader = Reader::connect(&site.centrifugo, tokens.connection.expose())?;
        reader.expect("connected")?;
        reader.subscribe(other.channel.as_str(), &token)?;
        let said = reader.next()?;
        ensure!(said["event"] == "unsubscribed" || said["event"] == "disconnected", "{said}");
    }
    let reader = Reader::connect(&site.centrifugo, tokens.connection.expose())?;
    reader.expect("connected")?;

    // When its time is over, the token opens nothing any more, and what it opened is ended.
    reader.expect("disconnected")?;
    let late = Reader::connect(&site.centrifugo, tokens.connection.expose())?;
    late.expect("disconnected")?;
    Ok(())
}
