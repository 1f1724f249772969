//! Databases of a server under test, each with a name of its own.

#![allow(dead_code, unreachable_pub, reason = "a module of several tests, each of which uses some of it")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use frame_log::conformance::Harness;
use frame_log_mongo::{ConnectionString, MongoFrameLog, Options};
use mongodb::{Client, Database};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A name no other database has.
pub fn name() -> String {
    format!("kith_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// How often a fault is injected: as often as the environment says, or so often.
pub fn cycles(usual: u64) -> u64 {
    std::env::var("KITH_FAULT_CYCLES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// The same with short timeouts, for tests in which the server goes away.
pub fn hasty(uri: &str, database: &str) -> Options {
    let mut options = Options::new(ConnectionString::new(uri), database);
    options.connect_timeout = Duration::from_secs(1);
    options.selection_timeout = Duration::from_secs(1);
    options.write_timeout = Duration::from_secs(2);
    options.operation_timeout = Duration::from_secs(3);
    options
}

/// The driver's own way to a database, to look behind the log's back.
pub async fn behind(uri: &str, database: &str) -> Database {
    Client::with_uri_str(uri).await.expect("connects").database(database)
}

/// A log in a database.
pub async fn open(uri: &str, database: &str) -> Arc<MongoFrameLog> {
    Arc::new(MongoFrameLog::open(Options::new(ConnectionString::new(uri), database)).await.expect("opens"))
}

/// The suite's way to one server.
pub struct Databases {
    uri: String,
    made: Mutex<Vec<String>>,
}

impl Databases {
    pub fn of(uri: String) -> Self {
        Self { uri, made: Mutex::default() }
    }

    /// Drops every database there was.
    pub async fn drop_all(&self) {
        let made = std::mem::take(&mut *self.made.lock().expect("not poisoned"));
        for name in made {
            behind(&self.uri, &name).await.drop().await.expect("dropped");
        }
    }
}

#[async_trait]
impl Harness for Databases {
    type Log = MongoFrameLog;

    async fn fresh(&self) -> Arc<MongoFrameLog> {
        let name = name();
        self.made.lock().expect("not poisoned").push(name.clone());
        open(&self.uri, &name).await
    }

    async fn reopen(&self, log: Arc<MongoFrameLog>) -> Arc<MongoFrameLog> {
        log.close().await;
        let name = self.made.lock().expect("not poisoned").last().expect("one was made").clone();
        open(&self.uri, &name).await
    }
}
