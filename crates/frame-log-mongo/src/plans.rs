//! No request reads more of the database than its answer is worth, however much is stored: every command the log
//! sends is caught and explained by the real engine. And each carries the concerns that the promises rest on.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use frame_log::{
    FrameLog as _, Keep, Limit, MailboxId, Mailboxes as _, Meta as _, MetaKey, MetaValue, NewPackage,
    conformance::{group, id, record},
};
use mongodb::{
    Client,
    bson::{Bson, Document, doc},
    event::{EventHandler, command::CommandEvent},
};
use protocol::{Seq, UnixSeconds};
use servers::{Mongo, MongoJava};

use crate::{ConnectionString, Deployment, MongoFrameLog, Options, open::client_options};

const SOME: MetaKey = MetaKey::new("some");
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

/// On what looks like a replica set, nothing asks for less than a majority, whatever the connection string says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_names_its_concern() {
    let server = MongoJava::start().await.unwrap();
    let weak = "w=1&journal=false&readConcernLevel=local&readPreference=secondary&retryWrites=false";
    let watched = Watched::open(format!("{}&{weak}", server.uri())).await;
    let log = &watched.log;
    assert_eq!(log.deployment(), Deployment::ReplicaSet);
    let g = group(1);
    for n in 0..4 {
        log.append(&g, Seq::new(n), record(n)).await.unwrap();
    }
    log.append(&g, Seq::new(1), record(9)).await.unwrap_err();
    log.read(&g, Seq::ZERO, Limit::MAX).await.unwrap();
    log.find(&g, &id(2)).await.unwrap().unwrap();
    log.groups(None, 5).await.unwrap();
    log.put_snapshot(&g, Seq::new(1), Bytes::from_static(b"one")).await.unwrap();
    log.put_snapshot(&g, Seq::new(2), Bytes::from_static(b"two")).await.unwrap();
    log.snapshot(&g, None).await.unwrap();
    log.drop_snapshots(&g, Seq::new(2)).await.unwrap();
    log.prune(&g, Seq::new(2), Keep::Nothing).await.unwrap();
    log.save(SOME, MetaValue::new(vec![1])).await.unwrap();
    log.replace(SOME, Some(MetaValue::new(vec![1])), MetaValue::new(vec![2])).await.unwrap();
    log.claim(&MailboxId::new([1; 32]), NOW).await.unwrap();
    let commands = std::mem::take(&mut *watched.commands.lock().unwrap());
    let (mut reads, mut writes) = (0, 0);
    for command in commands {
        let name = command.keys().next().unwrap().as_str();
        match name {
            "find" => {
                // Only looks for a frame id go to the primary's own state.
                let by_id = command.get_document("filter").unwrap().contains_key("i");
                let level = command.get_document("readConcern").unwrap().get_str("level").unwrap();
                assert_eq!(level, if by_id { "local" } else { "majority" }, "{command}");
                reads += 1;
            }
            "insert" | "update" | "delete" | "findAndModify" | "createIndexes" => {
                let concern = command.get_document("writeConcern").unwrap();
                assert_eq!(concern.get_str("w").unwrap(), "majority", "{command}");
                assert!(concern.get_bool("j").unwrap(), "{command}");
                assert!(concern.contains_key("wtimeout"), "{command}");
                writes += 1;
            }
            "hello" | "listIndexes" | "getMore" | "killCursors" => {}
            other => panic!("{other} has not been thought about: {command}"),
        }
        let preference = command.get_document("$readPreference").and_then(|p| p.get_str("mode"));
        assert!(preference.is_err() || preference.is_ok_and(|mode| mode.starts_with("primary")), "{command}");
    }
    assert!(reads > 15 && writes > 20, "{reads} reads, {writes} writes");
}

/// A server alone shows what its journal lacks. What another process wrote is told after a write that waited for the
/// journal, once; what this one wrote was waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_alone_is_asked_for_its_journal() {
    let server = Mongo::start().await.unwrap();
    let watched = Watched::open(server.uri()).await;
    let other =
        MongoFrameLog::open(Options::new(ConnectionString::new(server.uri()), "plans")).await.unwrap();
    let flushes = || {
        let commands = std::mem::take(&mut *watched.commands.lock().unwrap());
        let journaled =
            |c: &&Document| c.get_document("writeConcern").is_ok_and(|w| w.get_bool("j").unwrap());
        let flush =
            |c: &&Document| c.get_str("update").is_ok_and(|collection| collection == "meta") && journaled(c);
        commands.iter().filter(flush).count()
    };
    watched.forget();
    let g = group(1);
    watched.log.append(&g, Seq::ZERO, record(0)).await.unwrap();
    watched.log.head(&g).await.unwrap();
    assert_eq!(flushes(), 0, "written by this process");
    for (n, ask) in (1..).zip(["head", "page", "find", "append"]) {
        other.append(&g, Seq::new(n), record(n)).await.unwrap();
        match ask {
            "head" => assert_eq!(watched.log.head(&g).await, Ok(Some(Seq::new(n)))),
            "page" => {
                assert_eq!(watched.log.read(&g, Seq::new(n), Limit::MAX).await.unwrap().records.len(), 1)
            }
            "find" => assert!(watched.log.find(&g, &id(n)).await.unwrap().is_some()),
            _ => assert!(watched.log.append(&g, Seq::new(n), record(n)).await.is_err()),
        }
        assert!(flushes() > 0, "told by {ask}");
        watched.log.head(&g).await.unwrap();
        assert_eq!(flushes(), 0, "known since {ask}");
    }
}
