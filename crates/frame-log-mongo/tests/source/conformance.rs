//! Every promise of a source.

use frame_log::{SourceKind, conformance::source};
use servers::{Mongo, MongoJava, replica_set};

use crate::support::{Bench, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn polling_keeps_the_contract() {
    let server = Mongo::start().await.unwrap();
    assert_eq!(Bench::of(&server.uri()).await.source.kind(), SourceKind::Polling);
    source::run(&Server(server.uri())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_stream_keeps_the_contract() {
    let server = MongoJava::start().await.unwrap();
    assert_eq!(Bench::of(&server.uri()).await.source.kind(), SourceKind::ChangeStream);
    source::run(&Server(server.uri())).await;
}

/// Where there is a replica set.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_stream_of_a_real_set_keeps_the_contract() {
    let Some(uri) = replica_set() else {
        eprintln!("skipped: KITH_TEST_MONGODB_URI names no replica set");
        return;
    };
    assert_eq!(Bench::of(&uri).await.source.kind(), SourceKind::ChangeStream);
    source::run(&Server(uri)).await;
}
