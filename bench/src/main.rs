//! Messages through a node: how many are acknowledged a second, how long each waits, and how soon a follower has it.
//!
//! `cargo run --release -p bench -- [frames] [senders]` starts a node on the embedded log in a temporary folder, posts
//! signed messages over loopback HTTP from a number of senders at once, and reads them back over server-sent events.
//! Beside it stands, from the same run, what the disk allows: the same bytes appended to a plain file, flushed one by
//! one and in groups of 64. Everything is on one machine, so clients, node and follower share its processors.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use api::{
    challenge::{Claims, Statement},
    events::Event,
    token::TokenRequest,
};
use curve::{TreeSecret, schnorr};
use group_state::{
    GroupState,
    author::{Founding, found, message_head},
};
use kith_client_sdk::{clock::SystemClock, http::NodeClient};
use node::config::Config;
use proofs::{Control, Tier, VerifyingKeys, prove, setup_development};
use protocol::{
    Frame, FrameId, GroupId, Seq, SigningKey, Suite,
    body::Policy,
    digest::{self, Role},
};
use rand_core::{Rng as _, UnwrapErr};
use service_kit::{clock::Clock as _, shutdown};
use tokio::{net::TcpListener, task::JoinSet};

/// Bytes of a sealed part: a short text in its smallest bucket.
const SEALED: usize = 296;
/// Frames in one flush of the plain file.
const GROUP: usize = 64;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let frames: usize = args.next().map_or(Ok(20_000), |a| a.parse()).context("frames: a number")?;
    let senders: usize = args.next().map_or(Ok(64), |a| a.parse()).context("senders: a number")?;
    ensure!(frames > 0 && frames <= 1_000_000 && senders > 0 && senders <= 1_000, "out of range");

    let folder = tempfile::tempdir()?;
    let group = TestGroup::found()?;
    let messages: Vec<_> = (0..frames).map(|_| group.message()).collect::<Result<_>>()?;
    let bytes: usize = messages.iter().map(Vec::len).sum();
    say(format_args!("{frames} messages of {} bytes on the wire, {senders} senders", bytes / frames));

    let (single, grouped) = plain_file(folder.path(), &messages)?;
    say(format_args!("plain file, flushed one by one:    {single:>9.0} frames/s"));
    say(format_args!("plain file, flushed in groups:     {grouped:>9.0} frames/s"));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let (trigger, stopping) = shutdown::channel();
    let running = tokio::spawn(node::run(config(folder.path()), listener, stopping));
    let client = NodeClient::new(&address, Arc::new(SystemClock))?;
    client.post_frame(&group.id, group.init.clone()).await?;
    let follower = tokio::spawn(follow(client.clone(), group.id, group.sign.clone(), frames));

    let started = Instant::now();
    let mut waits = post_all(&client, group.id, messages, senders).await?;
    let posted = started.elapsed();
    let followed = follower.await??.duration_since(started);
    trigger.request();
    running.await??;

    waits.sort_unstable();
    let at = |percent: usize| waits.get((waits.len() - 1) * percent / 100).copied().unwrap_or_default();
    let rate = frames as f64 / posted.as_secs_f64();
    say(format_args!(
        "acknowledged by the node:          {rate:>9.0} frames/s, {:.2} of the plain file in groups",
        rate / grouped
    ));
    say(format_args!(
        "wait for an acknowledgement:       p50 {:?}, p99 {:?}, longest {:?}",
        at(50),
        at(99),
        at(100)
    ));
    say(format_args!(
        "all at the follower:               {:?} after all were acknowledged",
        followed.saturating_sub(posted)
    ));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a measuring program prints what it measured")]
fn say(text: impl core::fmt::Display) {
    println!("{text}");
}

fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.proofs.development = true;
    config.store.data = folder.join("node");
    // What is measured is the node, not its protection against a single loud group.
    let open = service_kit::limiter::Quota { per_minute: 100_000_000, burst: 1_000_000 };
    config.rates.group_frames = open;
    config.rates.peer_frames = open;
    config.rates.token_reads = open;
    config
}

/// A group of one, whose messages are signed as members sign them; their content is noise, which no node can tell.
struct TestGroup {
    id: GroupId,
    init: Vec<u8>,
    state: GroupState,
    sign: TreeSecret,
}

impl TestGroup {
    fn found() -> Result<Self> {
        let mut rng = UnwrapErr(getrandom::SysRng);
        let keys = VerifyingKeys::development();
        let (owner, sig) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
        let secret = TreeSecret::generate(&mut rng);
        let policy = Policy {
            params: keys.params_hash(),
            max_members: 100,
            message_retention: 0,
            operation_retention: 0,
            invite_ttl: 3600,
        };
        let founding = Founding {
            suite: Suite::Aes256Gcm,
            nonce: [1; 32],
            owner: owner.verifying_key(),
            policy,
            sig: sig.verifying_key(),
            secret: secret.clone(),
            at: service_kit::clock::SystemClock.now(),
        };
        let authored = found(founding, FrameId::new([1; 16]))?;
        let mut frame = authored.frame(vec![7; 528]);
        let base = digest::ctx_before_init(Suite::Aes256Gcm, &authored.head.group);
        let d = frame.digest(&base);
        frame.auth.leaf = Some(sig.sign(&Role::Leaf.message(&d)));
        frame.auth.owner = Some(owner.sign(&Role::Owner.message(&d)));
        let key = setup_development(Tier::T8.into(), |_| ())?;
        for witness in &authored.witnesses {
            let proof = prove(&key, &witness.statement(&d)?, &witness.secret, &Control::default(), &mut rng)?;
            frame.proofs.push(proof.to_bytes());
        }
        let state = GroupState::create(&frame, keys)?.verify(keys)?.state;
        let init = frame.encode().context("the frame is whole")?;
        let sign = secret.dh(&curve::Point::sign_base()).derive();
        Ok(Self { id: state.group(), init, state, sign })
    }

    fn message(&self) -> Result<Vec<u8>> {
        let mut rng = UnwrapErr(getrandom::SysRng);
        let (mut id, mut sealed) = ([0; 16], vec![0; SEALED]);
        rng.fill_bytes(&mut id);
        rng.fill_bytes(&mut sealed);
        let head = message_head(self.state.suite(), self.id, self.state.epoch(), FrameId::new(id));
        let mut frame = Frame::unsigned(head, sealed);
        let d = frame.digest(&self.state.ctx());
        frame.auth.sign = Some(schnorr::sign(&self.sign, d.as_bytes(), &mut rng));
        frame.encode().context("the frame is whole")
    }
}

/// Frames a second that a plain file takes, flushed one by one (a tenth of them) and in groups.
fn plain_file(folder: &Path, messages: &[Vec<u8>]) -> Result<(f64, f64)> {
    let mut file = File::create(folder.join("plain"))?;
    let few = messages.get(..messages.len().div_ceil(10)).unwrap_or_default();
    let started = Instant::now();
    for message in few {
        file.write_all(message)?;
        file.sync_data()?;
    }
    let single = few.len() as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    for group in messages.chunks(GROUP) {
        file.write_all(&group.concat())?;
        file.sync_data()?;
    }
    Ok((single, messages.len() as f64 / started.elapsed().as_secs_f64()))
}

async fn post_all(
    client: &NodeClient,
    group: GroupId,
    messages: Vec<Vec<u8>>,
    senders: usize,
) -> Result<Vec<Duration>> {
    let mut lanes: Vec<Vec<Vec<u8>>> = (0..senders).map(|_| Vec::new()).collect();
    for (n, message) in messages.into_iter().enumerate() {
        if let Some(lane) = lanes.get_mut(n % senders) {
            lane.push(message);
        }
    }
    let mut tasks = JoinSet::new();
    for lane in lanes {
        let client = client.clone();
        tasks.spawn(async move {
            let mut waits = Vec::with_capacity(lane.len());
            for message in lane {
                let started = Instant::now();
                client.post_frame(&group, message).await?;
                waits.push(started.elapsed());
            }
            Ok::<_, anyhow::Error>(waits)
        });
    }
    let mut waits = Vec::new();
    while let Some(lane) = tasks.join_next().await {
        waits.extend(lane??);
    }
    Ok(waits)
}

/// Reads all messages from the event stream, in order, and says when the last one came.
async fn follow(client: NodeClient, group: GroupId, sign: TreeSecret, frames: usize) -> Result<Instant> {
    let epoch = protocol::Epoch::ZERO;
    let challenge = client.challenge(&group, epoch, api::challenge::Purpose::Root).await?;
    let statement =
        Statement { origin: client.origin(), group: &group, epoch, claims: Claims::Root, challenge };
    let signature = statement.sign_root(&sign, &mut UnwrapErr(getrandom::SysRng));
    let request = TokenRequest { challenge, epoch, claims: Claims::Root, signature };
    let token = client.token(&group, &request).await?.token;
    let mut last = Seq::ZERO;
    while usize::try_from(last.get())? < frames {
        let mut events = client.events(&group, last, &token).await?;
        while let Some(event) = events.next().await? {
            if let Event::Frame { id, .. } = event {
                ensure!(id.seq == last.next().context("the end of numbers")?, "a gap after {last}");
                last = id.seq;
            }
            if usize::try_from(last.get())? == frames {
                break;
            }
        }
    }
    Ok(Instant::now())
}
