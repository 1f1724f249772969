//! What a flood of invalid proofs does to those who send valid ones.
//!
//! `cargo run --release -p bench --bin proof_flood -- [rounds]` makes all frames first. Then each round starts a node
//! as a process of its own, in an empty folder, for every scenario in turn: the same key updates of many groups come
//! over loopback HTTP at a steady rate, first alone, then beside 200 frames a second that are signed as they should be
//! and prove nothing. Times are from when a frame was due to its answer, so a node that falls behind is not spared.
//! Everything is on one machine: node and senders share its processors.

mod frames;
mod wire;

use std::{
    collections::BTreeMap,
    io::Read as _,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bench::{cpu_seconds, ms, percentile, say};
use node::config::Config;
use proofs::{Tier, setup_development};
use service_kit::{limiter::Quota, shutdown};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use self::{
    frames::{Group, Post},
    wire::Wire,
};

/// Groups that send valid key updates, and how many each.
const GROUPS: usize = 40;
const UPDATES: usize = 6;
/// Valid frames a second, of all groups together.
const VALID_RATE: u32 = 30;
/// Groups that send invalid ones.
const ATTACKERS: usize = 60;
/// Different invalid frames of each sort; they are sent over and over.
const BAD: usize = 200;
/// Invalid frames a second.
const FLOOD_RATE: u32 = 200;

struct Scenario {
    name: &'static str,
    flood: Vec<Post>,
    /// Whether limits of rate are as by default.
    limited: bool,
}

/// What was seen in one scenario.
#[derive(Default)]
struct Seen {
    /// Of valid frames, in order of length.
    waits: Vec<Duration>,
    refused: BTreeMap<String, Vec<Duration>>,
    /// Processor time of the node in seconds.
    cpu: f64,
    metrics: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    if first.as_deref() == Some("serve") {
        let folder = args.next().context("serve: a folder")?;
        return serve(Path::new(&folder), args.next().as_deref() == Some("limited")).await;
    }
    let rounds: usize = first.map_or(Ok(3), |a| a.parse()).context("rounds: a number")?;
    ensure!((1..=20).contains(&rounds), "out of range");

    let began = Instant::now();
    let (setup, valid, scenarios) = prepare()?;
    say(format_args!("frames made in {:.0} s", began.elapsed().as_secs_f64()));
    let mut all: BTreeMap<&str, Seen> = BTreeMap::new();
    for round in 0..rounds {
        let mut idle = None;
        for scenario in &scenarios {
            let mut seen = run(&setup, &valid, scenario).await?;
            seen.waits.sort_unstable();
            let p99 = percentile(&seen.waits, 99);
            let ratio = p99.as_secs_f64() / idle.get_or_insert(p99).as_secs_f64();
            let refused: usize = seen.refused.values().map(Vec::len).sum();
            say(format_args!(
                "{round} {:<28} valid: p50 {:>6.1} ms, p99 {:>6.1} ms ({ratio:.2} of idle); node {:.2} s, {refused} refused",
                scenario.name,
                ms(percentile(&seen.waits, 50)),
                ms(p99),
                seen.cpu,
            ));
            let sum = all.entry(scenario.name).or_default();
            sum.waits.append(&mut seen.waits);
            sum.cpu += seen.cpu;
            sum.metrics = seen.metrics;
            for (code, mut waits) in seen.refused {
                sum.refused.entry(code).or_default().append(&mut waits);
            }
        }
    }
    report(&scenarios, all)
}

/// Founding frames, valid frames in the order in which they are sent, scenarios.
fn prepare() -> Result<(Vec<Post>, Vec<Post>, Vec<Scenario>)> {
    let key = setup_development(Tier::T8.into(), |_| ())?;
    let mut groups: Vec<_> = (0..GROUPS).map(|_| Group::found(&key)).collect::<Result<_>>()?;
    let attackers: Vec<_> = (0..ATTACKERS).map(|_| Group::found(&key)).collect::<Result<_>>()?;
    let setup = groups.iter().chain(&attackers).map(|group| group.init.clone()).collect();
    let mut valid = Vec::new();
    for _ in 0..UPDATES {
        for group in &mut groups {
            valid.push(group.update(&key)?);
        }
    }
    let one = attackers.first().context("an attacker")?;
    let of_one: Vec<_> = (0..BAD).map(|_| one.bad_update()).collect::<Result<_>>()?;
    let of_many = attackers.iter().cycle().take(BAD).map(Group::bad_update).collect::<Result<_>>()?;
    let of_founders = (0..BAD).map(|_| one.bad_init()).collect::<Result<_>>()?;
    let scenario = |name, flood, limited| Scenario { name, flood, limited };
    let scenarios = vec![
        scenario("idle", Vec::new(), false),
        scenario("one group", of_one.clone(), false),
        scenario("sixty groups", of_many, false),
        scenario("founders", of_founders, false),
        scenario("one group, default limits", of_one, true),
    ];
    Ok((setup, valid, scenarios))
}

async fn run(setup: &[Post], valid: &[Post], scenario: &Scenario) -> Result<Seen> {
    let folder = tempfile::tempdir()?;
    let (mut child, wire) = start(folder.path(), scenario.limited).await?;
    let pid = child.id().context("the node has ended")?;
    for init in setup {
        let answer = wire.post(&api::paths::frames(&init.group), &init.frame).await?;
        ensure!(answer.status == 200, "{}", answer.body);
    }
    let before = cpu_seconds(pid)?;
    let stop = Instant::now() + every(VALID_RATE) * u32::try_from(valid.len())?;
    let refused: Arc<Mutex<BTreeMap<String, Vec<Duration>>>> = Arc::default();
    let flooding = tokio::spawn(flood(Arc::clone(&wire), scenario.flood.clone(), stop, Arc::clone(&refused)));

    let mut sending = JoinSet::new();
    let first = Instant::now();
    for (n, post) in (0_u32..).zip(valid) {
        let due = first + every(VALID_RATE) * n;
        let (wire, post) = (Arc::clone(&wire), post.clone());
        sending.spawn(async move {
            sleep_until(due).await;
            let answer = wire.post(&api::paths::frames(&post.group), &post.frame).await?;
            ensure!(answer.status == 200, "a valid frame was refused: {}", answer.body);
            Ok(due.elapsed())
        });
    }
    let mut waits = Vec::with_capacity(valid.len());
    while let Some(wait) = sending.join_next().await {
        waits.push(wait??);
    }
    flooding.await??;
    let cpu = cpu_seconds(pid)? - before;
    let metrics = wire.get(api::paths::METRICS).await?.body;
    // The node ends with its standard input.
    drop(child.stdin.take());
    child.wait().await?;
    let refused = std::mem::take(&mut *refused.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Seen { waits, refused, cpu, metrics })
}

async fn flood(
    wire: Arc<Wire>,
    frames: Vec<Post>,
    stop: Instant,
    refused: Arc<Mutex<BTreeMap<String, Vec<Duration>>>>,
) -> Result<()> {
    let mut sending = JoinSet::new();
    let first = Instant::now();
    for (n, post) in (0_u32..).zip(frames.into_iter().cycle()) {
        let due = first + every(FLOOD_RATE) * n;
        if due >= stop {
            break;
        }
        sleep_until(due).await;
        let (wire, refused) = (Arc::clone(&wire), Arc::clone(&refused));
        sending.spawn(async move {
            let answer = wire.post(&api::paths::frames(&post.group), &post.frame).await?;
            let code = answer.body.split("\"code\":\"").nth(1).and_then(|rest| rest.split('"').next());
            let code = code.with_context(|| format!("no refusal: {}", answer.status))?.to_owned();
            refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(code)
                .or_default()
                .push(due.elapsed());
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent??;
    }
    Ok(())
}

async fn start(folder: &Path, limited: bool) -> Result<(Child, Arc<Wire>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(folder)
        .arg(if limited { "limited" } else { "open" })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line).await?;
    Ok((child, Arc::new(Wire::new(line.trim().parse()?))))
}

/// The node, until standard input ends.
async fn serve(folder: &Path, limited: bool) -> Result<()> {
    let mut config = Config::default();
    config.store.data = folder.join("node");
    config.proofs.development = true;
    // All senders share one address here, and groups are founded in a moment.
    let open = Quota { per_minute: 100_000_000, burst: 1_000_000 };
    config.rates.peer_frames = open;
    config.rates.group_creations = open;
    if !limited {
        config.rates.leaf_operations = open;
        config.rates.leaf_updates = open;
        config.rates.group_frames = open;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(listener.local_addr()?);
    let (trigger, stopping) = shutdown::channel();
    std::thread::spawn(move || {
        let _ended = std::io::stdin().read_to_end(&mut Vec::new());
        trigger.request();
    });
    node::run(config, listener, stopping).await?;
    Ok(())
}

fn report(scenarios: &[Scenario], mut all: BTreeMap<&str, Seen>) -> Result<()> {
    let (mut idle_p99, mut idle_cpu) = (None, None);
    for scenario in scenarios {
        let Some(seen) = all.get_mut(scenario.name) else { continue };
        seen.waits.sort_unstable();
        let p99 = ms(percentile(&seen.waits, 99));
        let (idle_p99, idle_cpu) = (*idle_p99.get_or_insert(p99), *idle_cpu.get_or_insert(seen.cpu));
        say(format_args!("\n{}: {} valid frames", scenario.name, seen.waits.len()));
        say(format_args!(
            "  waits: p50 {:.1} ms, p90 {:.1} ms, p99 {p99:.1} ms, {:.2} of idle",
            ms(percentile(&seen.waits, 50)),
            ms(percentile(&seen.waits, 90)),
            p99 / idle_p99
        ));
        let refused: usize = seen.refused.values().map(Vec::len).sum();
        for (code, waits) in &mut seen.refused {
            waits.sort_unstable();
            let (p50, p99) = (ms(percentile(waits, 50)), ms(percentile(waits, 99)));
            say(format_args!("  {code}: {}, p50 {p50:.1} ms, p99 {p99:.1} ms", waits.len()));
        }
        if refused > 0 {
            let each = (seen.cpu - idle_cpu) * 1_000.0 / f64::from(u32::try_from(refused)?);
            say(format_args!("  node's processor time for each refused: {each:.2} ms"));
        }
        let kept = ["node_verify_", "node_frame_checks_total"];
        let counts = seen.metrics.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
        for line in counts.filter(|line| !line.contains("_bucket")) {
            say(format_args!("  last round: {line}"));
        }
    }
    Ok(())
}

const fn every(per_second: u32) -> Duration {
    Duration::from_micros(1_000_000 / per_second as u64)
}
