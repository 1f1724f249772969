//! Databases of a server under test, each with a name of its own.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use frame_log::conformance::Harness;
use frame_log_mongo::{ConnectionString, MongoFrameLog, Options};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A name no other database has.
pub(crate) fn name() -> String {
    format!("kith_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A log in a database.
pub(crate) async fn open(uri: &str, database: &str) -> Arc<MongoFrameLog> {
    Arc::new(MongoFrameLog::open(Options::new(ConnectionString::new(uri), database)).await.expect("opens"))
}

/// The suite's way to one server.
pub(crate) struct Databases {
    uri: String,
    current: Mutex<String>,
}

impl Databases {
    pub(crate) fn of(uri: String) -> Self {
        Self { uri, current: Mutex::default() }
    }
}

#[async_trait]
impl Harness for Databases {
    type Log = MongoFrameLog;

    async fn fresh(&self) -> Arc<MongoFrameLog> {
        let name = name();
        self.current.lock().expect("not poisoned").clone_from(&name);
        open(&self.uri, &name).await
    }

    async fn reopen(&self, log: Arc<MongoFrameLog>) -> Arc<MongoFrameLog> {
        log.close().await;
        let name = self.current.lock().expect("not poisoned").clone();
        open(&self.uri, &name).await
    }
}
