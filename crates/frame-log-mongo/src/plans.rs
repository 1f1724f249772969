//! No request reads more of the database than its answer is worth, however much is stored: every command the log
//! sends is caught and explained by the real engine.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use frame_log::{
    FrameLog as _, Keep, Limit, MailboxId, Mailboxes as _, NewPackage,
    conformance::{group, id, record},
};
use mongodb::{
    Client,
    bson::{Bson, Document, doc},
    event::{EventHandler, command::CommandEvent},
};
use protocol::{Seq, UnixSeconds};
use servers::Mongo;

use crate::{ConnectionString, MongoFrameLog, Options, open::client_options};

const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);

/// Keys and documents looked at by one command, as the engine explains it.
#[derive(Debug, PartialEq, Eq, Default, Clone, Copy)]
struct Cost {
    keys: i64,
    documents: i64,
}

struct Watched {
    log: MongoFrameLog,
    commands: Arc<Mutex<Vec<Document>>>,
}

impl Watched {
    async fn open(uri: String) -> Self {
        let options = Options::new(ConnectionString::new(uri), "plans");
        let mut client = client_options(&options).await.unwrap();
        let commands = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&commands);
        client.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event {
                seen.lock().unwrap().push(started.command);
            }
        }));
        let client = Client::with_options(client).unwrap();
        Self { log: MongoFrameLog::on(client, &options).await.unwrap(), commands }
    }

    fn forget(&self) {
        self.commands.lock().unwrap().clear();
    }

    /// What the commands since then cost, each by itself.
    async fn costs(&self) -> Vec<(String, Cost)> {
        let commands = std::mem::take(&mut *self.commands.lock().unwrap());
        let mut costs = Vec::new();
        for mut command in commands {
            let name = command.keys().next().cloned().unwrap();
            if ["insert", "getMore", "killCursors", "hello", "endSessions"].contains(&&*name) {
                continue;
            }
            for key in
                ["$db", "lsid", "txnNumber", "writeConcern", "readConcern", "$readPreference", "$clusterTime"]
            {
                command.remove(key);
            }
            let said = command.to_string();
            let explained = doc! { "explain": command, "verbosity": "executionStats" };
            let explained = self.log.database().run_command(explained).await.unwrap();
            costs.push((said, cost(&explained)));
        }
        self.forget();
        costs
    }
}

/// Adds up every `executionStats` there is: an aggregation has it inside of its stages.
fn cost(explained: &Document) -> Cost {
    let mut sum = Cost::default();
    for (key, value) in explained {
        #[allow(clippy::wildcard_enum_match_arm, reason = "everything else in an explanation is a leaf")]
        let inner = match value {
            Bson::Document(inner) if key == "executionStats" => {
                let number = |key| inner.get_i64(key).or_else(|_| inner.get_i32(key).map(i64::from)).unwrap();
                Cost { keys: number("totalKeysExamined"), documents: number("totalDocsExamined") }
            }
            Bson::Document(inner) => cost(inner),
            Bson::Array(inner) => {
                inner.iter().filter_map(Bson::as_document).map(cost).fold(Cost::default(), |a, b| Cost {
                    keys: a.keys + b.keys,
                    documents: a.documents + b.documents,
                })
            }
            _ => continue,
        };
        sum = Cost { keys: sum.keys + inner.keys, documents: sum.documents + inner.documents };
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_read_about_as_much_as_they_answer() {
    let server = Mongo::start().await.unwrap();
    let watched = Watched::open(server.uri()).await;
    let log = &watched.log;
    for g in 0..20 {
        for n in 0..if g == 7 { 300 } else { 40 } {
            log.append(&group(g), Seq::new(n), record(g * 1_000 + n)).await.unwrap();
        }
    }
    let mailbox = MailboxId::new([1; 32]);
    let package = |n: u64, last_resort| NewPackage {
        bytes: Bytes::from(n.to_be_bytes().to_vec()),
        last_resort,
        expires: NOW.saturating_add(1_000 + n),
    };
    for n in 0..90 {
        log.put(&mailbox, package(n, n % 30 == 0), NOW).await.unwrap();
    }
    for _ in 0..40 {
        log.claim(&mailbox, NOW).await.unwrap();
    }
    log.put_snapshot(&group(7), Seq::new(100), Bytes::from_static(b"state")).await.unwrap();
    watched.forget();

    let g = group(7);
    log.append(&g, Seq::new(300), record(9_999)).await.unwrap();
    log.append(&g, Seq::new(5), record(9_998)).await.unwrap_err();
    log.append(&g, Seq::new(5), record(7_005)).await.unwrap_err();
    log.append(&group(1_000), Seq::ZERO, record(9_997)).await.unwrap();
    log.head(&g).await.unwrap();
    log.find(&g, &id(7_100)).await.unwrap().unwrap();
    assert_eq!(log.find(&g, &id(123_456)).await, Ok(None));
    log.read(&g, Seq::new(301), Limit::MAX).await.unwrap();
    log.snapshot(&g, None).await.unwrap();
    log.snapshot(&g, Some(Seq::new(5))).await.unwrap();
    log.drop_snapshots(&g, Seq::new(3)).await.unwrap();
    log.claim(&MailboxId::new([2; 32]), NOW).await.unwrap();
    log.remove_expired(NOW, 10).await.unwrap();
    for (command, cost) in watched.costs().await {
        assert!(cost.keys <= 6 && cost.documents <= 3, "{cost:?}: {command}");
    }

    assert_eq!(log.read(&g, Seq::new(200), Limit::new(10, 1_000_000)).await.unwrap().records.len(), 10);
    assert_eq!(log.groups(Some(&group(3)), 10).await.unwrap().len(), 10);
    for (command, cost) in watched.costs().await {
        assert!(cost.keys <= 16 && cost.documents <= 12, "{cost:?}: {command}");
    }

    // A mailbox is counted up to its bound, in the index alone.
    log.put(&mailbox, package(1_000, false), NOW).await.unwrap();
    log.put(&mailbox, package(1_001, true), NOW).await.unwrap();
    log.claim(&mailbox, NOW).await.unwrap().unwrap();
    for (command, cost) in watched.costs().await {
        assert!(cost.keys <= 100 && cost.documents <= 2, "{cost:?}: {command}");
    }

    log.prune(&g, Seq::new(50), Keep::Nothing).await.unwrap();
    log.prune(&g, Seq::new(60), Keep::Nothing).await.unwrap();
    for (command, cost) in watched.costs().await {
        assert!(cost.keys <= 51 && cost.documents <= 50, "{cost:?}: {command}");
    }
}
