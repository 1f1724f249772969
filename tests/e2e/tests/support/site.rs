//! A real node in this process, on loopback, with the embedded log.

#![allow(dead_code, reason = "each program that includes this uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test helpers")]

use std::path::{Path, PathBuf};

use kith_client_sdk::{Client, Options, StoreKey};
use node::config::Config;
use service_kit::{
    limiter::Quota,
    shutdown::{self, Trigger},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// A node; it stops when it is told to.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) port: u16,
    trigger: Trigger,
    task: JoinHandle<Result<(), node::RunError>>,
}

/// Settings under which everybody may come from one address and nobody waits.
pub(crate) fn config(data: &Path) -> Config {
    let mut config = Config::default();
    config.proofs.development = true;
    config.store.data = data.to_owned();
    let open = Quota { per_minute: 100_000_000, burst: 1_000_000 };
    let rates = &mut config.rates;
    for rate in [
        &mut rates.group_frames,
        &mut rates.leaf_operations,
        &mut rates.leaf_updates,
        &mut rates.group_creations,
        &mut rates.peer_frames,
        &mut rates.peer_requests,
        &mut rates.token_reads,
        &mut rates.mailbox_claims,
    ] {
        *rate = open;
    }
    config
}

impl Site {
    /// Starts a node on a folder. `origin` is what clients call it, where that is not its own address.
    pub(crate) async fn start(data: &Path, origin: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut config = config(data);
        config.listen.origin = origin.map(|origin| origin.parse().unwrap());
        let (trigger, stopping) = shutdown::channel();
        let task = tokio::spawn(node::run(config, listener, stopping));
        Self { url: format!("http://127.0.0.1:{port}"), port, trigger, task }
    }

    pub(crate) async fn stop(self) {
        self.trigger.request();
        // How a node ends is for its own tests to judge.
        let _ = self.task.await.unwrap();
    }
}

/// Opens a home, making it and its identity if they are not there.
pub(crate) async fn person(folder: &Path, name: &str) -> Client {
    let home: PathBuf = folder.join(name.to_lowercase());
    let options = Options::new(home, StoreKey::from_bytes(&[7; 32]), e2e::cache_folder().unwrap());
    let client = Client::open(options).await.unwrap();
    if client.identity().is_none() {
        client.create_identity(name).await.unwrap();
    }
    client
}
