//! Messages through a node: how many are acknowledged a second, how long each waits, and how soon a follower has it.
//!
//! `cargo run --release -p bench --bin messages -- [frames] [senders]` starts a node on the embedded log in a temporary folder, posts
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
use bench::{Club, follow, percentile, post_all, say, token};
use kith_client_sdk::{clock::SystemClock, http::NodeClient};
use node::config::Config;
use proofs::{Tier, setup_development};
use service_kit::shutdown;
use tokio::net::TcpListener;

/// Frames in one flush of the plain file.
const GROUP: usize = 64;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let frames: usize = args.next().map_or(Ok(20_000), |a| a.parse()).context("frames: a number")?;
    let senders: usize = args.next().map_or(Ok(64), |a| a.parse()).context("senders: a number")?;
    ensure!(frames > 0 && frames <= 1_000_000 && senders > 0 && senders <= 1_000, "out of range");

    let folder = tempfile::tempdir()?;
    let group = Club::found(&setup_development(Tier::T8.into(), |_| ())?)?;
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
    let rights = token(&client, &group).await?;
    let follower = tokio::spawn(follow(client.clone(), group.id, rights, frames));

    let started = Instant::now();
    let messages = messages.into_iter().map(|message| (group.id, message)).collect();
    let answered = post_all(&client, messages, senders, None).await?;
    let posted = started.elapsed();
    let seen = follower.await??;
    let followed = seen.values().max().context("nothing came")?.duration_since(started);
    trigger.request();
    running.await??;

    let mut waits: Vec<Duration> = answered.iter().map(|one| one.waited).collect();
    waits.sort_unstable();
    let rate = frames as f64 / posted.as_secs_f64();
    say(format_args!(
        "acknowledged by the node:          {rate:>9.0} frames/s, {:.2} of the plain file in groups",
        rate / grouped
    ));
    say(format_args!(
        "wait for an acknowledgement:       p50 {:?}, p99 {:?}, longest {:?}",
        percentile(&waits, 50),
        percentile(&waits, 99),
        percentile(&waits, 100)
    ));
    say(format_args!(
        "all at the follower:               {:?} after all were acknowledged",
        followed.saturating_sub(posted)
    ));
    Ok(())
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
