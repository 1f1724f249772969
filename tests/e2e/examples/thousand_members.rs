//! A group of a thousand members, every one of them added for real, and what each thing costs then.
//!
//! `cargo run --release -p e2e --example thousand_members [members]`. A node on loopback with the embedded log, an
//! owner and some members with the client library as applications use it; the others are made by hand with the same
//! frames. Takes minutes, nearly all of them for the proofs of a thousand newcomers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring program: it stops where something fails, and reads the clock"
)]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use ark_ec::{AffineRepr as _, pairing::Pairing as _};
use by_hand::{Guest, Hand, Newcomer, fold, keys, proofs_of, rng};
use curve::TreeSecret;
use futures_util::StreamExt as _;
use kith_client_sdk::{
    Group, GroupId, LinkOptions, StoreKey, Suite, What,
    store::{Scope, Store, StoreError},
};
use protocol::{FrameDigest, Receipt, Seq, ServedFrame, SigningKey, frame::Served};
use site::{Site, person};

#[path = "../tests/support/by_hand.rs"]
mod by_hand;
#[path = "../tests/support/site.rs"]
mod site;

const DAY: Duration = Duration::from_secs(24 * 3600);
const BATCH: usize = 64;
/// What one doer may have outstanding.
const NAMED: usize = 256;

fn main() {
    let members: u32 = std::env::args().nth(1).map_or(1_000, |arg| arg.parse().expect("a number of members"));
    let folder = tempfile::tempdir().unwrap();
    let runtime = |name: &'static str| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(name)
            // Threads that ended would take their processor time with them.
            .thread_keep_alive(DAY)
            .enable_all()
            .build()
            .unwrap()
    };
    let (server, clients) = (runtime("node"), runtime("clients"));
    let data = folder.path().join("node");
    let site = server.block_on(Site::start(&data, None));
    let mut measured = Measured::default();
    clients.block_on(story(folder.path(), &site.url, members, &mut measured));

    server.block_on(site.stop());
    let stored = bytes_below(&data);
    say(format_args!("the node's folder: {stored} bytes"));
    measured.table();
}

/// Processor time of all threads, those of the node apart, in seconds: (clients, node).
fn processor() -> (f64, f64) {
    let (mut clients, mut node) = (0.0, 0.0);
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let nanoseconds = read("schedstat").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
        let name = read("comm");
        let side =
            if name.starts_with("node") || name.starts_with("frame-log") { &mut node } else { &mut clients };
        *side += nanoseconds / 1e9;
    }
    (clients, node)
}

#[derive(Default)]
struct Measured(Vec<(String, f64, f64, f64, usize)>);

impl Measured {
    /// Times a thing, done `times` times; the figures are for one.
    async fn time<T>(&mut self, what: &str, times: usize, done: impl Future<Output = T>) -> T {
        let (before, started) = (processor(), Instant::now());
        let result = done.await;
        let (wall, after) = (started.elapsed().as_secs_f64(), processor());
        let one = |seconds: f64| seconds * 1e3 / times as f64;
        let row = (what.to_owned(), one(wall), one(after.0 - before.0), one(after.1 - before.1), 0);
        say(format_args!("{what}: {:.1} ms, clients {:.1} ms, node {:.1} ms", row.1, row.2, row.3));
        self.0.push(row);
        result
    }

    /// Bytes of the frames of the thing measured last, for one.
    fn bytes(&mut self, frames: &[ServedFrame], times: usize) {
        let sum: usize = frames.iter().filter_map(|f| f.frame()?.encode()).map(|bytes| bytes.len()).sum();
        self.0.last_mut().unwrap().4 = sum / times;
    }

    fn table(&self) {
        say("| what | wall, ms | clients, ms | node, ms | frames, bytes |");
        for (what, wall, clients, node, bytes) in &self.0 {
            say(format_args!("| {what} | {wall:.1} | {clients:.1} | {node:.2} | {bytes} |"));
        }
    }
}

fn say(text: impl core::fmt::Display) {
    println!("{text}");
}

fn bytes_below(folder: &Path) -> u64 {
    let files = e2e::files_below(folder).unwrap();
    files.iter().map(|file| fs::metadata(file).map_or(0, |data| data.len())).sum()
}

async fn story(folder: &Path, url: &str, members: u32, measured: &mut Measured) {
    reference();
    let (ann, ben) = (person(folder, "Ann").await, person(folder, "Ben").await);
    let trip = ann.create_group("Trip", url, Suite::Aes256Gcm).await.unwrap();
    let open = trip.invite_link(LinkOptions { uses: 1_024, ttl: 7 * DAY }).await.unwrap();
    let bens = ben.join(&open).await.unwrap();
    let mut hand = Hand::honest(&open, "Observer").await;
    speak(measured, "message, 3 members, sent to seen by a follower", &trip, &bens, 10).await;
    hand.sync().await;
    measured.time("key update, 3 members", 1, bens.update_keys()).await.unwrap();
    measured.bytes(&hand.sync().await, 1);

    // By name, 64 in a frame.
    let eve = person(folder, "Eve").await;
    let mut eves = String::new();
    let named = NAMED.min(members.saturating_sub(4) as usize);
    for batch in 0..named.div_ceil(BATCH) {
        let mut contacts = Vec::new();
        for n in batch * BATCH..((batch + 1) * BATCH).min(named) {
            contacts.push(Guest::new(&format!("Invited {n}")).contact(url).await);
        }
        let last = (batch + 1) * BATCH >= named;
        if last {
            *contacts.last_mut().unwrap() = eve.contact(url).await.unwrap();
        }
        let texts: Vec<&str> = contacts.iter().map(String::as_str).collect();
        let what = format!(
            "{} invited by name in one frame, {} members before",
            texts.len(),
            hand.fold.tree().live_count()
        );
        let mut invites = measured.time(&what, 1, trip.invite_contacts(&texts, 7 * DAY)).await.unwrap();
        measured.bytes(&hand.sync().await, 1);
        if last {
            eves = invites.pop().unwrap();
        }
    }

    // By link, each by its own frame.
    let mut newcomer = Newcomer::with_link(&open).await;
    let first = newcomer.fold.tree().live_count();
    let mut joins = 0_u32;
    while newcomer.fold.tree().live_count() < members {
        let stretch = 100.min(members - newcomer.fold.tree().live_count());
        let what = format!("join by link, by hand, {} members before", newcomer.fold.tree().live_count());
        let done = async {
            for _ in 0..stretch {
                joins += 1;
                join_by_hand(&mut newcomer, joins).await;
            }
        };
        measured.time(&what, stretch as usize, done).await;
    }
    hand.sync().await;
    say(format_args!("{joins} joined by link, on {first}"));
    let snapshot = newcomer.fold.to_bytes();
    say(format_args!(
        "state snapshot: {} bytes of {} members",
        snapshot.len(),
        newcomer.fold.tree().live_count()
    ));
    let started = Instant::now();
    group_state::GroupState::from_bytes(&snapshot).unwrap();
    say(format_args!("reading the snapshot back: {:.1} ms", started.elapsed().as_secs_f64() * 1e3));

    // A member who was away for all of it.
    let what = format!("sync of a member, each of {joins} operations");
    measured.time(&what, joins.max(1) as usize, trip.sync()).await.unwrap();
    bens.sync().await.unwrap();
    // Nobody has told the newcomers who is who: the next to speak does.
    measured
        .time("first message, with the roster for the newcomers", 1, trip.send_text("hello all"))
        .await
        .unwrap();
    let frames = hand.sync().await;
    measured.bytes(&frames, 1);
    say(format_args!("of {} frames", frames.len()));
    bens.sync().await.unwrap();
    let what = format!("message, {members} members, sent to seen by a follower");
    speak(measured, &what, &trip, &bens, 20).await;
    measured.bytes(&hand.sync().await, 20);

    for _ in 0..3 {
        measured.time("key update", 1, bens.update_keys()).await.unwrap();
        measured.bytes(&hand.sync().await, 1);
        measured.time("its taking by another member", 1, trip.sync()).await.unwrap();
    }

    let what = format!("join by an invite, {joins} operations behind");
    let eves = measured.time(&what, 1, Box::pin(eve.join(&eves))).await.unwrap();
    let dora = person(folder, "Dora").await;
    let what = format!("join by a link, {} operations behind", hand.fold.epoch().get());
    let doras = measured.time(&what, 1, Box::pin(dora.join(&open))).await.unwrap();
    let fresh = trip.invite_link(LinkOptions { uses: 1, ttl: DAY }).await.unwrap();
    let fay = person(folder, "Fay").await;
    hand.sync().await;
    let fays = measured.time("join by a fresh link", 1, Box::pin(fay.join(&fresh))).await.unwrap();
    measured.bytes(&hand.sync().await, 1);
    for group in [&eves, &doras, &fays] {
        group.sync().await.unwrap();
    }

    trip.sync().await.unwrap();
    measured.time("removal of one member", 1, trip.remove("Joined 1")).await.unwrap();
    measured.bytes(&hand.sync().await, 1);
    measured.time("its taking by another member", 1, bens.sync()).await.unwrap();
    let digits = [trip.info().await.unwrap().comparison, bens.info().await.unwrap().comparison];
    assert!(digits[0].is_some() && digits[0] == digits[1]);

    let id = trip.id();
    drop((ann, trip));
    open_again(measured, folder, id).await;
    say(format_args!("live leaves at the end: {}", hand.fold.tree().live_count()));
}

/// What to compare with: one proof of each size, and one pairing.
fn reference() {
    let point = ark_bn254::G1Affine::generator();
    let other = ark_bn254::G2Affine::generator();
    let pairing = || {
        let _ = core::hint::black_box(ark_bn254::Bn254::pairing(point, core::hint::black_box(other)));
    };
    let cpu = |times: u32, work: &dyn Fn()| {
        work();
        let before = processor().0;
        (0..times).for_each(|_| work());
        (processor().0 - before) * 1e3 / f64::from(times)
    };
    say(format_args!("one pairing: {:.3} ms", cpu(200, &pairing)));
    for levels in [6, 10] {
        let secret = TreeSecret::generate(&mut rng());
        let siblings: Vec<_> = (0..levels).map(|_| TreeSecret::generate(&mut rng()).public()).collect();
        let mut path = vec![secret.public()];
        let mut next = secret.clone();
        for sibling in siblings.iter().chain([&curve::Point::sign_base()]) {
            next = next.dh(sibling).derive();
            path.push(next.public());
        }
        let witness = group_state::author::Witness { keys: path, siblings, secret };
        let digest = FrameDigest::new([3; 32]);
        let statement = witness.statement(&digest).unwrap();
        let witnesses = [witness];
        let proved = cpu(5, &|| drop(proofs_of(&witnesses, &digest)));
        let proof = proofs::Proof::from_bytes(&proofs_of(&witnesses, &digest)[0]).unwrap();
        let verified = cpu(50, &|| keys().verify(&statement.clone().into(), &proof).unwrap());
        say(format_args!("one proof of {levels} levels: {proved:.0} ms; its verification: {verified:.2} ms"));
    }
}

async fn join_by_hand(newcomer: &mut Newcomer, n: u32) {
    let identity = SigningKey::generate(&mut rng());
    let frame = newcomer.honest_join(&format!("Joined {n}"), &identity).frame;
    let Receipt { seq, received_at_ms, .. } =
        by_hand::post(&newcomer.node, &newcomer.fold.group(), &frame).await.unwrap();
    newcomer.fold = fold(&newcomer.fold, &ServedFrame { seq, received_at_ms, content: Served::Frame(frame) });
}

/// One member sends, another has followed since before: from the call to the entry at the other.
async fn speak(measured: &mut Measured, what: &str, reader: &Group, writer: &Group, times: u32) {
    let mut entries = Box::pin(reader.follow(reader.end().await.unwrap()));
    let mut heard = async |wanted: String| {
        while let Some(entry) = entries.next().await {
            if matches!(entry.unwrap().what, What::Text { text } if text == wanted) {
                return;
            }
        }
    };
    // The first opens the stream, and brings both up to date.
    tokio::join!(heard("ready".to_owned()), async { writer.send_text("ready").await.unwrap() });
    let done = async {
        for n in 0..times {
            let text = format!("number {n}");
            tokio::join!(heard(text.clone()), async { writer.send_text(&text).await.unwrap() });
        }
    };
    measured.time(what, times as usize, done).await;
}

/// What is in the store, and how long it takes until a program that has just started knows the group.
async fn open_again(measured: &mut Measured, folder: &Path, group: GroupId) {
    let key = || StoreKey::from_bytes(&[7; 32]);
    let store = Store::open(folder.join("ann").join("kith.db"), key()).unwrap();
    for name in ["fold", "session"] {
        let len = store.read::<_, StoreError>(|tx| tx.get(Scope::Group(group), name)).unwrap();
        say(format_args!("in the owner's store, {name}: {} bytes", len.unwrap().len()));
    }
    drop(store);
    say(format_args!("the owner's home: {} bytes", bytes_below(&folder.join("ann"))));
    let ann = measured.time("opening a client", 1, person(folder, "Ann")).await;
    let trip = measured.time("finding the group by its title", 1, ann.group("Trip")).await.unwrap();
    for _ in 0..3 {
        measured.time("loading the group from the store", 1, trip.info()).await.unwrap();
    }
    measured.time("loading and asking for news, none there", 1, trip.sync()).await.unwrap();
    assert!(trip.info().await.unwrap().seq > Seq::ZERO.get());
}
