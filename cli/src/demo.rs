//! `kith demo`: a group of five, over real HTTP, against a real server; then what members see beside what the server
//! stores.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use frame_log::{FrameLog as _, Limit};
use frame_log_embedded::EmbeddedFrameLog;
use kith_client_sdk::{Client, Entry, Group, LinkOptions, Position, Suite, What};
use node::config::Config;
use protocol::{Frame, GroupId, Seq};
use service_kit::shutdown;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    args::{Cli, DemoArgs},
    home, output,
};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// What is written in the group: none of it may be found at the server.
const TEXTS: &[&str] = &[
    "Shall we meet at the lake on Saturday?",
    "Yes! I bring the boat.",
    "map of the lake: follow the red path",
    "I cannot come, have fun",
    "Saturday at nine, at the old pier",
];

/// A server of the demonstration's own.
struct Server {
    address: String,
    data: PathBuf,
    trigger: shutdown::Trigger,
    task: JoinHandle<Result<(), node::RunError>>,
}

pub(crate) async fn demo(cli: &Cli, args: &DemoArgs) -> Result<()> {
    let temporary = tempfile::tempdir().context("there is no folder for temporary files")?;
    let folder = args.keep.as_deref().unwrap_or_else(|| temporary.path());
    tokio::select! {
        done = play(cli, args, folder) => done?,
        // The folder is removed on the way out.
        _ = tokio::signal::ctrl_c() => return Ok(()),
    }
    if let Some(kept) = &args.keep {
        output::line(format_args!("\nThe folders are in {}.", kept.display()))?;
    }
    Ok(())
}

async fn play(cli: &Cli, args: &DemoArgs, folder: &Path) -> Result<()> {
    let own = match args.server {
        Some(_) => None,
        None => Some(start(folder.join("server")).await?),
    };
    let address = match (&own, &args.server) {
        (Some(server), _) => server.address.clone(),
        (None, address) => address.clone().unwrap_or_default(),
    };
    say(format_args!(
        "A server listens on {address}. Five people make identities, each in a home of their own."
    ))?;
    let ann = person(cli, folder, "Ann").await?;
    let ben = person(cli, folder, "Ben").await?;
    let cleo = person(cli, folder, "Cleo").await?;
    let dan = person(cli, folder, "Dan").await?;
    let eve = person(cli, folder, "Eve").await?;

    say("Ann founds a group. The server checks a proof that the group's first key was made as it should.")?;
    let trip = ann.create_group("Trip", &address, Suite::Aes256Gcm).await?;
    say(
        "She makes a link for three. Ben, Cleo and Eve join by it: each adds itself, with a secret nobody else knows.",
    )?;
    let link = trip.invite_link(LinkOptions { uses: 3, ttl: WEEK }).await?;
    let bens = ben.join(&link).await?;
    let cleos = cleo.join(&link).await?;
    let eves = eve.join(&link).await?;
    say("Dan gives her his contact; she invites him by name, and only he can take the place.")?;
    let contact = dan.contact(&address).await?;
    let dans = dan.join(&trip.invite_contact(&contact, WEEK).await?).await?;

    say("They write. A message needs no proof.")?;
    let [lake, boat, map, sorry, pier] = TEXTS else { anyhow::bail!("the demonstration lost its words") };
    trip.send_text(lake).await?;
    bens.send_text(boat).await?;
    cleos.send_file("map.txt", "text/plain", map.as_bytes().to_vec()).await?;
    say("Ben gives his place a fresh key: whoever had copied his device is out again.")?;
    bens.update_keys().await?;
    say("Ann removes Dan, with proofs that every key Dan chose or knew is replaced.")?;
    trip.remove("Dan").await?;
    eves.send_text(sorry).await?;
    say("Eve leaves. Whoever speaks next completes that, here Cleo, before a word is encrypted.")?;
    eves.leave().await?;
    cleos.send_text(pier).await?;

    for group in [&trip, &bens, &cleos, &dans, &eves] {
        group.sync().await?;
    }
    agree(&[&trip, &bens, &cleos]).await?;
    let seen = entries(&cleos).await?;
    let dans_last = entries(&dans).await?;
    let last = dans_last.last().map(|e| e.what.clone());
    ensure!(matches!(last, Some(What::RemovedSelf)), "Dan was not told of his removal");

    // What a server of others stores is not ours to open.
    let Some(server) = own else {
        output::line("")?;
        output::line("what Cleo sees")?;
        for (seq, text) in texts(&seen) {
            output::line(format_args!("{seq:>4}  {text}"))?;
        }
        output::line("")?;
        return output::line("Dan and Eve read what was written while they were members, and nothing since.");
    };
    let data = server.data.clone();
    stop(server).await?;
    show(&data, trip.id(), &seen).await?;
    let secrets = identities(&[&ann, &ben, &cleo, &dan, &eve]);
    let found = search(&data, &secrets)?;
    ensure!(found.is_empty(), "found at the server: {found:?}");
    output::line("")?;
    output::line("Dan and Eve read what was written while they were members, and nothing since.")?;
    output::line(format_args!(
        "In the server's folder no text, file, name, title or identity key was found, of {} searched for.",
        secrets.len()
    ))?;
    output::line(format_args!(
        "Try it yourself: kith serve --data ./data --listen {}",
        address.trim_start_matches("http://")
    ))
}

fn say(text: impl core::fmt::Display) -> Result<()> {
    output::line(format_args!("• {text}"))
}

async fn start(data: PathBuf) -> Result<Server> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no port can be listened on")?;
    let address = format!("http://{}", listener.local_addr()?);
    let mut config = Config::default();
    config.proofs.development = true;
    config.store.data.clone_from(&data);
    let (trigger, stopping) = shutdown::channel();
    let task = tokio::spawn(node::run(config, listener, stopping));
    Ok(Server { address, data, trigger, task })
}

async fn stop(server: Server) -> Result<()> {
    server.trigger.request();
    Ok(server.task.await??)
}

async fn person(cli: &Cli, folder: &Path, name: &str) -> Result<Client> {
    let client = home::open_at(&folder.join(name.to_lowercase()), cli).await?;
    client.create_identity(name).await?;
    Ok(client)
}

/// All remaining members stand at the same hashes and see the same digits.
async fn agree(groups: &[&Group]) -> Result<()> {
    let mut infos = Vec::new();
    for group in groups {
        let info = group.info().await?;
        infos.push((info.tree_hash, info.transcript_hash, info.log_hash, info.comparison));
    }
    infos.dedup();
    ensure!(infos.len() == 1, "the members do not agree");
    Ok(())
}

async fn entries(group: &Group) -> Result<Vec<Entry>> {
    Ok(group.entries(Position(0), 1_000).await?)
}

/// What a member sees at each place of the log.
fn texts(seen: &[Entry]) -> BTreeMap<u64, String> {
    let mut texts: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for entry in seen {
        texts.entry(entry.seq).or_default().push(described(entry));
    }
    texts.into_iter().map(|(seq, texts)| (seq, texts.join("; "))).collect()
}

/// Left what Cleo sees, right what the server has.
async fn show(data: &Path, group: GroupId, seen: &[Entry]) -> Result<()> {
    let texts = texts(seen);
    let log = {
        let data = data.to_owned();
        let open = move || EmbeddedFrameLog::open(data, frame_log_embedded::Options::default());
        tokio::task::spawn_blocking(open).await??
    };
    output::line("")?;
    output::line(format_args!("{:>4}  {:<52} {}", "", "what Cleo sees", "what the server stores"))?;
    let mut from = Seq::ZERO;
    loop {
        let page = log.read(&group, from, Limit::MAX).await?;
        for record in &page.records {
            let seq = record.seq.get();
            let left: String =
                texts.get(&seq).map(String::as_str).unwrap_or_default().chars().take(52).collect();
            output::line(format_args!("{seq:>4}  {left:<52} {}", stored(record)))?;
        }
        match page.records.last() {
            Some(last) if page.next > last.seq && Some(last.seq) < page.head => from = page.next,
            _ => break,
        }
    }
    log.close().await;
    Ok(())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the rest does not happen in the demonstration, or says nothing"
)]
fn described(entry: &Entry) -> String {
    let who = entry.sender.as_ref().map_or_else(String::new, output::name);
    match &entry.what {
        What::Text { text } => format!("{who}: {text}"),
        What::File { name, .. } => format!("{who} sent {name}"),
        What::Joined => format!("{who} joined"),
        What::Invited { people } => {
            format!("{who} invited {}", people.iter().map(output::name).collect::<Vec<_>>().join(", "))
        }
        What::Removed { people } => {
            format!("removed: {}", people.iter().map(output::name).collect::<Vec<_>>().join(", "))
        }
        What::KeyUpdated => format!("{who} has a fresh key"),
        What::Left => format!("{who} left"),
        What::Healed => format!("{who} completed the removal"),
        _ => String::new(),
    }
}

/// A frame as the server has it: kind and slots in the clear, the rest bytes.
fn stored(record: &frame_log::StoredRecord) -> String {
    let Some(bytes) = &record.frame else { return "(pruned)".to_owned() };
    let Ok(frame) = Frame::decode(bytes) else { return "(not a frame)".to_owned() };
    let sealed = frame.sealed().unwrap_or_default();
    let hex: String = sealed.iter().take(10).map(|b| format!("{b:02x}")).collect();
    let doer = match frame.head().body.doer() {
        Some(slot) => format!(" by slot {slot}"),
        None => String::new(),
    };
    let content = if sealed.is_empty() {
        "nothing sealed".to_owned()
    } else {
        format!("{hex}… ({} B)", sealed.len())
    };
    format!("{:?}{doer}, {} proofs, {content}", frame.kind(), frame.proofs.len())
}

/// Everything that must not be found at the server.
fn identities(clients: &[&Client]) -> Vec<Vec<u8>> {
    let mut needles: Vec<Vec<u8>> = TEXTS.iter().map(|t| t.as_bytes().to_vec()).collect();
    needles.push(b"map.txt".to_vec());
    needles.push(b"Trip".to_vec());
    for identity in clients.iter().filter_map(|c| c.identity()) {
        needles.push(identity.name.clone().into_bytes());
        needles.push(identity.key.clone().into_bytes());
        needles.extend(unhex(&identity.key));
    }
    // Three letters turn up in random bytes; names count where they stand as words of their own.
    needles.retain(|n| n.len() >= 4);
    needles
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}

/// Which needles stand in any file below a folder.
fn search(folder: &Path, needles: &[Vec<u8>]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let content = std::fs::read(&path)?;
            for needle in needles {
                if content.windows(needle.len()).any(|w| w == needle.as_slice()) {
                    found.push(String::from_utf8_lossy(needle).into_owned());
                }
            }
        }
    }
    Ok(found)
}
