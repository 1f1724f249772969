//! The log in `MongoDB` keeps the contract: on the storage engine itself, and on a replica set if there is one.

use frame_log::conformance;
use servers::{Mongo, MongoJava, replica_set};

use crate::databases::Databases;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    let server = Mongo::start().await.expect("starts");
    conformance::run(&Databases::of(server.uri())).await;
}

/// All of it but the mailboxes, whose packages the server would have to date.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_log_keeps_the_contract_on_another_server() {
    let server = MongoJava::start().await.expect("starts");
    let databases = Databases::of(server.uri());
    conformance::appends_in_order(&databases).await;
    conformance::pages_within_limits(&databases).await;
    conformance::finds_by_id(&databases).await;
    conformance::refuses_large_records(&databases).await;
    conformance::one_winner_per_position(&databases).await;
    conformance::survives_reopening(&databases).await;
    conformance::appends_are_linearizable(&databases).await;
    conformance::prunes_messages_then_operations(&databases).await;
    conformance::snapshots_are_kept_and_dropped(&databases).await;
    conformance::groups_are_listed(&databases).await;
    conformance::meta_values_are_kept(&databases).await;
    conformance::meta_values_are_replaced_once(&databases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract_on_a_replica_set() {
    let Some(uri) = replica_set() else { return };
    let databases = Databases::of(uri);
    conformance::run(&databases).await;
    databases.drop_all().await;
}
