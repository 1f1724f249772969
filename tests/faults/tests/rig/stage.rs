//! Servers, a log in them, and the ledger of what it has acknowledged.

use std::{sync::Arc, time::Duration};

use frame_log::{FrameLog as _, Limit, MAX_GROUPS};
use frame_log_mongo::{ConnectionString, MongoFrameLog, Options};
use protocol::Seq;
use servers::{Entry, Ledger, Mongo, Nats, Proxy, nats};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    Carried, Writers, until,
    writers::{Writer, group},
};

/// How many partitions the groups are shared out in.
pub(crate) const PARTITIONS: u16 = 2;
/// The database.
pub(crate) const DATABASE: &str = "kith";

/// Each fault has a database, a NATS and a relay or two, and mostly waits.
static TURNS: Semaphore = Semaphore::const_new(4);

/// What a fault is staged on. All of it is gone when this is dropped.
pub(crate) struct Stage {
    pub(crate) nats: Nats,
    pub(crate) mongo: Mongo,
    pub(crate) log: Arc<MongoFrameLog>,
    pub(crate) ledger: Ledger,
    pub(crate) carried: Carried,
    _turn: SemaphorePermit<'static>,
}

async fn open(port: u16) -> Arc<MongoFrameLog> {
    // What the log warns of is shown with a test that fails.
    let _ = tracing_subscriber::fmt()
        .with_test_writer()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .try_init();
    let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
    let mut options = Options::new(ConnectionString::new(uri), DATABASE);
    // Shorter than a bad network lasts.
    options.operation_timeout = Duration::from_secs(1);
    options.selection_timeout = Duration::from_millis(800);
    options.connect_timeout = Duration::from_millis(500);
    Arc::new(MongoFrameLog::open(options).await.unwrap())
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let mongo = Mongo::start().await.unwrap();
        let log = open(mongo.port()).await;
        Self::with(turn, mongo, log).await
    }

    /// A stage whose writers reach the database through a proxy.
    pub(crate) async fn behind_proxy() -> (Self, Proxy) {
        let turn = TURNS.acquire().await.unwrap();
        let mongo = Mongo::start().await.unwrap();
        let proxy = Proxy::to_port(mongo.port()).await.unwrap();
        let log = open(proxy.port()).await;
        (Self::with(turn, mongo, log).await, proxy)
    }

    async fn with(turn: SemaphorePermit<'static>, mongo: Mongo, log: Arc<MongoFrameLog>) -> Self {
        let options = nats::Options { max_payload: Some(8 * 1024 * 1024), ..nats::Options::default() };
        let nats = Nats::start(options).await.unwrap();
        let carried = Carried::connect(&nats.url(), PARTITIONS).await;
        Self { nats, mongo, log, ledger: Ledger::new(), carried, _turn: turn }
    }

    /// All records of the log, read by somebody who has read nothing before and has no bad network.
    pub(crate) async fn kept(&self) -> Vec<Entry> {
        let log = open(self.mongo.port()).await;
        let mut entries = Vec::new();
        for group in log.groups(None, MAX_GROUPS).await.unwrap() {
            let mut from = Seq::ZERO;
            loop {
                let page = log.read(&group, from, Limit::MAX).await.unwrap();
                if page.records.is_empty() {
                    break;
                }
                from = page.next;
                entries.extend(page.records.into_iter().map(|record| {
                    Entry::new(*group.as_bytes(), record.seq.get(), record.frame.unwrap().to_vec())
                }));
            }
        }
        entries
    }

    /// Compares the log with what it has acknowledged.
    pub(crate) async fn log_is_exact(&self) {
        if let Err(differences) = self.ledger.check_exact(self.kept().await) {
            panic!("{differences}");
        }
    }

    /// One writer each for so many groups that nobody has written to.
    pub(crate) fn writers(&self, groups: usize) -> Vec<Writer> {
        (0..groups).map(|n| Writer::new(self.log.clone(), self.ledger.clone(), group(n))).collect()
    }

    /// Waits until everything that is acknowledged now has been carried, and something that was acknowledged later.
    pub(crate) async fn flows(&self, writers: &Writers) -> Duration {
        let begun = std::time::Instant::now();
        writers.more(1).await;
        let goal = self.ledger.len() as u64;
        until("records that flow again", async || self.carried.count().await >= goal).await;
        begun.elapsed()
    }
}
