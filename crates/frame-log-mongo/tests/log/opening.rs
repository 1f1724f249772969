//! Opening checks what it finds, makes what is missing, and says what an operator can do.

use frame_log::{FrameLog as _, conformance};
use frame_log_mongo::{ConnectionString, Deployment, MongoFrameLog, OpenError, Options};
use mongodb::{
    IndexModel,
    bson::{Binary, Document, doc, spec::BinarySubtype},
    options::IndexOptions,
};
use protocol::Seq;
use servers::{Mongo, Port};
use tokio::task::JoinSet;

use crate::databases::{behind, hasty, name, open};

async fn refusal(uri: &str, database: &str) -> OpenError {
    MongoFrameLog::open(hasty(uri, database)).await.expect_err("refused")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_fits_is_opened() {
    let server = Mongo::start().await.expect("starts");
    let uri = server.uri();

    // Many at once, all into the same empty database.
    let shared = name();
    let mut openers = JoinSet::new();
    for _ in 0..8 {
        let (uri, shared) = (uri.clone(), shared.clone());
        openers.spawn(async move { open(&uri, &shared).await.deployment() });
    }
    assert_eq!(openers.join_all().await, [Deployment::Standalone; 8]);

    // An index of our name that is another index.
    let database = behind(&uri, &shared).await;
    let frames = database.collection::<Document>("frames");
    frames.drop_index("kith_frame_id").await.expect("dropped");
    let named = IndexOptions::builder().name("kith_frame_id".to_owned()).build();
    let other = IndexModel::builder().keys(doc! { "i": 1 }).options(named).build();
    frames.create_index(other).await.expect("made");
    let OpenError::Index(bad) = refusal(&uri, &shared).await else { panic!("opened") };
    assert_eq!((bad.collection, bad.name, bad.what), ("frames", "kith_frame_id", "keys"));
    assert!(bad.to_string().contains("db.frames.dropIndex(\"kith_frame_id\")"), "{bad}");
    frames.drop_index("kith_frame_id").await.expect("dropped");
    let log = open(&uri, &shared).await;
    let index = frames.list_index_names().await.expect("listed");
    assert!(index.iter().any(|n| n == "kith_frame_id"), "what is missing is made");
    log.append(&conformance::group(1), Seq::ZERO, conformance::record(1)).await.expect("appended");

    // Another version's database.
    let meta = database.collection::<Document>("meta");
    let which = doc! { "_id": "frame-log/schema" };
    let later = Binary { subtype: BinarySubtype::Generic, bytes: b"2".to_vec() };
    meta.update_one(which.clone(), doc! { "$set": { "v": later } }).await.expect("changed");
    let OpenError::Schema { found, known: 1 } = refusal(&uri, &shared).await else { panic!("opened") };
    assert_eq!(found, "2");
    // Somebody else's, or half of a backup.
    meta.delete_one(which).await.expect("deleted");
    assert!(matches!(refusal(&uri, &shared).await, OpenError::Foreign));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_is_said_without_secrets() {
    let nobody = Port::free().expect("a port");
    let uri = format!("mongodb://kith:hunter2@127.0.0.1:{}/?directConnection=true", nobody.number());
    let error = refusal(&uri, "kith").await;
    assert!(matches!(error, OpenError::Unreachable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));

    for uri in ["", "mongo", "mongodb://kith:hunter2@", "mongodb://kith:hunter2@a/?w=x&tls=7"] {
        let error = refusal(uri, "kith").await;
        assert!(matches!(error, OpenError::BadConnectionString), "{uri}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    for database in ["", "a/b", "a.b", "a b", "$x", &"x".repeat(64)] {
        let options = Options::new(ConnectionString::new("mongodb://127.0.0.1"), database);
        let error = MongoFrameLog::open(options).await.expect_err("refused");
        assert!(matches!(error, OpenError::BadDatabaseName), "{database}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_log_answers_that_it_is_closed() {
    let server = Mongo::start().await.expect("starts");
    let log = open(&server.uri(), &name()).await;
    log.close().await;
    log.close().await;
    let refused = log.append(&conformance::group(1), Seq::ZERO, conformance::record(1)).await;
    assert_eq!(refused, Err(frame_log::AppendError::Unavailable));
    assert_eq!(log.head(&conformance::group(1)).await, Err(frame_log::ReadError::Unavailable));
}
