//! What read-once drops cost: how many small ones a second are made and taken, and how fast a large one goes up and down,
//! beside a plain static file server and the bare disk in the same run; and whether memory stays flat meanwhile.
//!
//! `cargo bench -p transistor --bench drops -- [small drops] [clients] [MiB of the large one]`. Service, file server and
//! this program are a process each, on loopback. Bodies are random bytes, as ciphertext is.

mod http;
mod site;

use std::{
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinSet;

use self::{
    http::Client,
    site::{Site, resident},
};

const PUBLIC: &str = "/transistor/v1/public/transfers";
const BYTES: &str = "content-type: application/octet-stream\r\n";
const WANTS_BYTES: &str = "accept: application/octet-stream\r\n";
const MIB: u64 = 1 << 20;

#[tokio::main]
async fn main() -> Result<()> {
    // Cargo says `--bench` to every program of this kind.
    let mut args = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut number = |what: &'static str, default: u64| {
        args.next().map_or(Ok(default), |text| text.parse::<u64>()).context(what)
    };
    let drops = number("small drops: a number", 20_000)?;
    let clients = number("clients: a number", 64)?;
    let large = number("MiB: a number", 1024)?;
    ensure!((1..=1_000_000).contains(&drops) && (1..=1000).contains(&clients), "out of range");
    ensure!((64..=16 * 1024).contains(&large), "out of range");

    let site = Site::start().await?;
    small(&site, drops, clients).await?;
    for mib in [large / 16, large] {
        streamed(&site, mib).await?;
    }
    Ok(())
}

/// Drops of 1 kB, made and then taken, each by whichever of the clients comes to it.
async fn small(site: &Site, drops: u64, clients: u64) -> Result<()> {
    say(format_args!("{drops} drops of 1,024 bytes, {clients} clients"));
    let run = fresh(8)?;
    let path = move |n: u64| format!("{PUBLIC}/{run}-0000-8000-8000-{n:012x}/content");
    let body = Arc::new(random(1024)?);
    let steps: [(&str, &str, &'static str, &'static str, u16); 2] =
        [("made", "PUT", BYTES, "", 201), ("taken", "GET", "", WANTS_BYTES, 200)];
    for (what, method, sent, wanted, status) in steps {
        let (next, before, started) = (Arc::new(AtomicU64::new(0)), site.cpu()?, Instant::now());
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let (next, body, path) = (Arc::clone(&next), Arc::clone(&body), path.clone());
            let (host, method) = (site.service.clone(), method.to_owned());
            tasks.spawn(async move {
                let mut client = Client::connect(&host).await?;
                let mut waits = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= drops {
                        return Ok::<_, anyhow::Error>(waits);
                    }
                    let asked = Instant::now();
                    let body: &[u8] = if sent.is_empty() { &[] } else { &body };
                    client.ask(&method, &path(n), &format!("{sent}{wanted}"), body, status).await?;
                    waits.push(asked.elapsed());
                }
            });
        }
        let waits = joined(tasks).await?;
        report(what, drops, started.elapsed(), &waits);
        let cost = (site.cpu()? - before) * 1_000.0 / precise(drops);
        say(format_args!("    processor time a drop: {cost:.3} ms"));
    }

    // What the same machine does at most: the same number of reads of a file of that size.
    std::fs::write(site.files.join("small"), body.as_slice())?;
    let started = Instant::now();
    let (next, mut tasks) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
    for _ in 0..clients {
        let (next, host) = (Arc::clone(&next), site.file_server.clone());
        tasks.spawn(async move {
            let mut client = Client::connect(&host).await?;
            let mut waits = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < drops {
                let asked = Instant::now();
                client.ask("GET", "/small", "", &[], 200).await?;
                waits.push(asked.elapsed());
            }
            Ok::<_, anyhow::Error>(waits)
        });
    }
    let waits = joined(tasks).await?;
    report("read from the file server", drops, started.elapsed(), &waits);
    let (flushes, each) = flushes(&site.files)?;
    say(format_args!("  the disk flushes a file of one drop {flushes:.0} times a second ({each:.2} ms)"));
    Ok(())
}

async fn joined(mut tasks: JoinSet<Result<Vec<Duration>>>) -> Result<Vec<Duration>> {
    let mut waits = Vec::new();
    while let Some(task) = tasks.join_next().await {
        waits.extend(task??);
    }
    waits.sort_unstable();
    Ok(waits)
}

fn report(what: &str, count: u64, elapsed: Duration, waits: &[Duration]) {
    say(format_args!(
        "  {what}: {:.0} a second, p50 {:.2} ms, p99 {:.2} ms",
        precise(count) / elapsed.as_secs_f64(),
        ms(percentile(waits, 50)),
        ms(percentile(waits, 99))
    ));
}

/// One large drop: up in one stream, up in resumable pieces, down under a claim, down in one go.
async fn streamed(site: &Site, mib: u64) -> Result<()> {
    say(format_args!("one drop of {mib} MiB"));
    let size = mib * MIB;
    let piece = random(1 << 20)?;
    let run = fresh(8)?;
    let path = |n: u8| format!("{PUBLIC}/{run}-0000-8000-8000-00000000000{n}");
    let resting = resident(site.pid)?;
    let peak = site.watch();

    let mut client = Client::connect(&site.service).await?;
    for n in [1, 2] {
        let started = Instant::now();
        client
            .send("PUT", &format!("{}/content", path(n)), &format!("{BYTES}content-length: {size}\r\n"))
            .await?;
        for _ in 0..mib {
            client.write(&piece).await?;
        }
        let head = client.head().await?;
        client.drain(head.length).await?;
        ensure!(head.status == 201, "status {}", head.status);
        if n == 1 {
            rate("up, until it is durable", mib, started.elapsed());
        }
    }

    let claim = format!("transistor-claim: {}\r\n", "A".repeat(43));
    client.ask("PUT", &format!("{}/claim", path(1)), &claim, &[], 200).await?;
    for (what, path, lines, confirm) in [
        ("down, under a claim", path(1), claim.as_str(), true),
        ("down, taken in one go", path(2), WANTS_BYTES, false),
    ] {
        let started = Instant::now();
        client.send("GET", &format!("{path}/content"), lines).await?;
        let head = client.head().await?;
        ensure!((head.status, head.length) == (200, size), "status {}, {} bytes", head.status, head.length);
        client.drain(size).await?;
        rate(what, mib, started.elapsed());
        if confirm {
            client.ask("POST", &format!("{path}/claim/confirm"), lines, &[], 204).await?;
        }
    }
    let highest = peak.highest().await?;
    say(format_args!("  memory of the service: {} MiB before, {} MiB at most", resting / MIB, highest / MIB));

    // Beside it: the file server gives a file of the same size, and the disk takes one.
    let file = site.files.join("large");
    let started = Instant::now();
    write_durably(&file, &piece, mib)?;
    rate("the disk: written and flushed", mib, started.elapsed());
    let mut client = Client::connect(&site.file_server).await?;
    let started = Instant::now();
    client.send("GET", "/large", "").await?;
    let head = client.head().await?;
    ensure!((head.status, head.length) == (200, size), "the file server does not give the file");
    client.drain(size).await?;
    rate("the file server: down", mib, started.elapsed());
    std::fs::remove_file(&file)?;
    Ok(())
}

fn rate(what: &str, mib: u64, elapsed: Duration) {
    let bytes = precise(mib * MIB);
    say(format_args!("  {what}: {:.0} MB/s", bytes / elapsed.as_secs_f64() / 1_000_000.0));
}

fn write_durably(file: &Path, piece: &[u8], mib: u64) -> Result<()> {
    let mut file = std::fs::File::create(file)?;
    for _ in 0..mib {
        file.write_all(piece)?;
    }
    Ok(file.sync_all()?)
}

/// How often a small file can be written and flushed, one after the other.
fn flushes(folder: &Path) -> Result<(f64, f64)> {
    const COUNT: u32 = 200;
    let mut file = std::fs::File::create(folder.join("flushed"))?;
    let started = Instant::now();
    for _ in 0..COUNT {
        file.write_all(&[7; 1024])?;
        file.sync_data()?;
    }
    let each = started.elapsed() / COUNT;
    Ok((1.0 / each.as_secs_f64(), ms(each)))
}

fn random(len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Random hexadecimal digits.
fn fresh(digits: usize) -> Result<String> {
    Ok(random(digits.div_ceil(2))?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Counts here are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts of bytes and drops, for printing")]
const fn precise(count: u64) -> f64 {
    count as f64
}

/// The value that `percent` of the sorted ones do not exceed; nothing for none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

/// A duration in milliseconds.
fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[expect(clippy::print_stdout, reason = "a measuring program prints what it measured")]
fn say(text: impl core::fmt::Display) {
    println!("{text}");
}
