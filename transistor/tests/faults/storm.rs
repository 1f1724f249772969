//! Many drops and a thousand readers, who insist, while something breaks again and again: each drop that was acknowledged
//! is read by exactly one of them.

use std::time::Duration;

use servers::{PATIENCE, Postgres, postgres::Options};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::{
    crowd::crowd,
    drop::{Drop, Reader},
    http::{Answer, Request},
    service::{Records, Service, until},
};

const DROPS: usize = 40;
const READERS_EACH: usize = 25;
const LEASE: &str = "drops.lease=10m";

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_killed() {
    let mut service = Service::start(Records::Sqlite, &[LEASE]).await;
    let storm = Storm::begin([service.port(); 2]);
    for round in 0..breaks(6) {
        tokio::time::sleep(Duration::from_millis(150 + 70 * (round % 6))).await;
        service.kill();
        service.restart().await;
    }
    storm.end().await;
    until("all bodies are erased", async || service.bodies().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_killed() {
    let mut postgres = Postgres::start(Options { fsync: true, ..Options::default() }).await.unwrap();
    let database = postgres.database().await.unwrap();
    let service = Service::start(Records::Postgres(database.url()), &[LEASE]).await;
    let storm = Storm::begin([service.port(); 2]);
    for round in 0..breaks(3) {
        tokio::time::sleep(Duration::from_millis(150 + 70 * (round % 6))).await;
        postgres.kill().unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        postgres.restart().await.unwrap();
    }
    storm.end().await;
    until("all bodies are erased", async || service.bodies().is_empty()).await;
    let rows = "SELECT count(*) FROM drops";
    assert_eq!(database.sql(rows).await.unwrap(), [[Some("0".to_owned())]], "something was kept");
}

/// Each of them is killed in turn, while the other one goes on.
#[tokio::test(flavor = "multi_thread")]
async fn two_services_share_a_database_and_a_folder() {
    let postgres = Postgres::start(Options::default()).await.unwrap();
    let database = postgres.database().await.unwrap();
    let mut first = Service::start(Records::Postgres(database.url()), &[LEASE]).await;
    let mut second = first.beside(Records::Postgres(database.url()), &[LEASE]).await;
    let ports = [first.port(), second.port()];
    for size in [500, 300_000] {
        let drop = Drop::random(size);
        drop.make(first.port()).await;
        assert_eq!(crowd(&ports, &drop).await, 1);
    }
    let storm = Storm::begin(ports);
    for round in 0..breaks(6) {
        tokio::time::sleep(Duration::from_millis(150 + 70 * (round % 6))).await;
        let service = if round % 2 == 0 { &mut first } else { &mut second };
        service.kill();
        service.restart().await;
    }
    storm.end().await;
    let rows = "SELECT count(*) FROM drops WHERE size = 200 OR size = 5000 OR size = 200000";
    assert_eq!(database.sql(rows).await.unwrap(), [[Some("0".to_owned())]], "something was kept");
}

/// How often something is broken in a test.
fn breaks(usual: u64) -> u64 {
    std::env::var("KITH_FAULT_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(usual)
}

/// Drops that are made and read all the time. Everybody asks one after the other of the services when one does not
/// answer.
struct Storm {
    over: watch::Sender<bool>,
    running: JoinHandle<usize>,
}

impl Storm {
    fn begin(ports: [u16; 2]) -> Self {
        let (over, ends) = watch::channel(false);
        let running = tokio::spawn(async move {
            let mut drops = 0;
            while drops == 0 || !*ends.borrow() {
                once(ports).await;
                drops += DROPS;
            }
            drops
        });
        Self { over, running }
    }

    /// Lets what has begun come to its end.
    #[allow(clippy::print_stdout, reason = "what is shown with --nocapture")]
    async fn end(self) {
        self.over.send_replace(true);
        println!("figure: {} drops, each read by one of {READERS_EACH} readers", self.running.await.unwrap());
    }
}

async fn once(ports: [u16; 2]) {
    let mut drops = JoinSet::new();
    for number in 0..DROPS {
        drops.spawn(async move {
            let drop = Drop::random([200, 5_000, 200_000][number % 3]);
            let made = insist(ports, drop.making()).await;
            assert!(made.is_success(), "{made:?}");
            let mut readers = JoinSet::new();
            for _ in 0..READERS_EACH {
                readers.spawn(read(ports, drop.reader(), drop.body.clone()));
            }
            let complete = readers.join_all().await.into_iter().filter(|complete| *complete).count();
            assert_eq!(complete, 1, "{complete} readers have it");
        });
    }
    drops.join_all().await;
}

/// Claims, reads in pieces, confirms, each as often as it takes; whether it has everything.
async fn read(ports: [u16; 2], reader: Reader, body: Vec<u8>) -> bool {
    if !insist(ports, reader.claiming()).await.is_there() {
        return false;
    }
    let step = body.len().div_ceil(3);
    for from in (0..body.len()).step_by(step) {
        let to = body.len().min(from + step);
        let piece = loop {
            let answer = insist(ports, reader.reading(Some(from..to))).await;
            assert!(answer.is_there(), "its reader lost it");
            if answer.body.len() == to - from {
                break answer.body;
            }
        };
        assert_eq!(piece, body[from..to]);
    }
    // Gone, if it was heard before.
    insist(ports, reader.confirming()).await.is_there();
    true
}

/// Asks until there is an answer that is not a failure of the service itself.
async fn insist(ports: [u16; 2], request: Request) -> Answer {
    let begun = Instant::now();
    loop {
        for port in ports {
            match request.send(port).await {
                Ok(failure) if failure.status >= 500 => _ = failure.code(),
                Ok(answer) => return answer,
                Err(_) => {}
            }
        }
        assert!(begun.elapsed() < PATIENCE, "no answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
