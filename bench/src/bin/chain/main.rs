//! The whole chain on one machine: how many frames a second go from a client through a node, MongoDB, the relay, NATS
//! and another node to a reader, how long each takes, and whose processor time it costs.
//!
//! `cargo build --release -p kith -p message-relay`, then
//! `cargo run --release -p bench --bin chain -- [frames] [groups] [senders] [paced frames a second]`. Everything runs as
//! a process of its own on loopback, NATS with a sync before every acknowledgement. Beside it stands, from the same run,
//! one node on its own log. First everybody sends as fast as acknowledgements come, then at a steady pace, where waits
//! mean something: each is counted from the moment the message was due.

mod site;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bench::{Answered, Club, Seen, follow, ms, percentile, post_all, say, token};
use kith_client_sdk::{clock::SystemClock, http::NodeClient};
use proofs::{Tier, setup_development};
use tokio::task::JoinSet;

use self::site::Site;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut number = |what: &'static str, default: u32| {
        args.next().map_or(Ok(default), |text| text.parse::<u32>()).context(what)
    };
    let frames = number("frames: a number", 20_000)?;
    let groups = number("groups: a number", 20)?;
    let senders = number("senders: a number", 64)?;
    let pace = number("pace: a number", 200)?;
    ensure!(frames > 0 && frames <= 1_000_000 && senders > 0 && senders <= 1_000, "out of range");
    ensure!(groups > 0 && groups <= 1_000 && pace > 0 && pace <= 100_000, "out of range");

    let key = setup_development(Tier::T8.into(), |_| ())?;
    say(format_args!("{frames} frames in {groups} groups, {senders} senders; then {pace} a second"));
    for site in [Site::alone().await?, Site::chain().await?] {
        say(format_args!("\n{}", site.name));
        let clubs: Vec<Club> = (0..groups).map(|_| Club::found(&key)).collect::<Result<_>>()?;
        measure(&site, &clubs, frames, senders, None).await?;
        let clubs: Vec<Club> = (0..groups).map(|_| Club::found(&key)).collect::<Result<_>>()?;
        let every = Duration::from_secs(1) / pace;
        measure(&site, &clubs, frames.min(pace * 20), senders, Some(every)).await?;
    }
    Ok(())
}

async fn measure(
    site: &Site,
    clubs: &[Club],
    frames: u32,
    senders: u32,
    every: Option<Duration>,
) -> Result<()> {
    let writer = NodeClient::new(&site.writes_to, Arc::new(SystemClock))?;
    let reader = NodeClient::new(&site.reads_from, Arc::new(SystemClock))?;
    let each = usize::try_from(frames)?.div_ceil(clubs.len());
    let mut readers = JoinSet::new();
    for club in clubs {
        writer.post_frame(&club.id, club.init.clone()).await?;
        let rights = token(&reader, club).await?;
        readers.spawn(follow(reader.clone(), club.id, rights, each));
    }
    let mut messages = Vec::new();
    for _ in 0..each {
        for club in clubs {
            messages.push((club.id, club.message()?));
        }
    }
    let count = f64::from(u32::try_from(messages.len())?);
    let before = site.cpu()?;
    let started = Instant::now();
    let answered = post_all(&writer, messages, usize::try_from(senders)?, every).await?;
    let posted = started.elapsed();
    let mut seen = Seen::new();
    while let Some(read) = readers.join_next().await {
        seen.extend(read??);
    }
    let delivered = seen.values().max().context("nothing came")?.duration_since(started);
    let after = site.cpu()?;

    if every.is_none() {
        say(format_args!(
            "  as fast as it goes: acknowledged {:.0} frames/s, at all readers {:.0} frames/s",
            count / posted.as_secs_f64(),
            count / delivered.as_secs_f64()
        ));
    } else {
        let mut acknowledged: Vec<Duration> = answered.iter().map(|one| one.waited).collect();
        let mut read = answered.iter().map(|one| until_read(one, &seen)).collect::<Result<Vec<_>>>()?;
        acknowledged.sort_unstable();
        read.sort_unstable();
        for (what, waits) in [("acknowledged", &acknowledged), ("at the reader", &read)] {
            say(format_args!(
                "  at a steady pace, {what:<13} after p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms",
                ms(percentile(waits, 50)),
                ms(percentile(waits, 90)),
                ms(percentile(waits, 99))
            ));
        }
    }
    let costs: Vec<String> = before
        .iter()
        .zip(&after)
        .map(|((name, before), (_, after))| format!("{name} {:.3}", (after - before) * 1_000.0 / count))
        .collect();
    say(format_args!("    processor time a frame, in ms: {}", costs.join(", ")));
    Ok(())
}

fn until_read(answered: &Answered, seen: &Seen) -> Result<Duration> {
    let at = seen.get(&answered.th).context("an acknowledged frame did not come")?;
    Ok(at.duration_since(answered.sent))
}
