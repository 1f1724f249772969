//! The store in a real `PostgreSQL`: the contract, two processes' worth of pools, a server that goes away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::sync::Arc;

use bytes::Bytes;
use drop_state::{BodyId, Command, Create, DropId, Millis, Reader, Refusal, Size, TokenHash};
use servers::{Postgres, postgres::Options};
use transistor::store::{Applied, Payload, Store, StoreError, conformance, postgres::PostgresStore};

const NOW: Millis = Millis::new(1);

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url, 10, false).await.unwrap().store
}

fn create(n: u8) -> (Command, Payload) {
    let create = Create {
        body: BodyId::from_bytes([n; 16]),
        size: Size::Complete(8),
        inline: true,
        text: false,
        info: Vec::new(),
        access: None,
        unlock: None,
        deleter: TokenHash::of(&[1; 32]),
        upload: None,
        expires: Millis::new(1000),
    };
    (Command::Create(Box::new(create)), Payload::Inline(Bytes::from_static(b"a secret")))
}

fn take() -> (Command, Payload) {
    let by = TokenHash::of(&[2; 32]);
    (Command::Take { reader: Reader::default(), by, lease: 10, text: false }, Payload::None)
}

async fn apply(
    store: &PostgresStore,
    n: u8,
    (command, payload): (Command, Payload),
) -> Result<Applied, StoreError> {
    store.apply(DropId::from_random([n; 16]), command, payload, NOW).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let server = Arc::new(Postgres::start(Options::default()).await.unwrap());
    conformance::run(|| {
        let server = Arc::clone(&server);
        async move { open(&server.database().await.unwrap().url()).await }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_on_one_database_give_a_drop_once() {
    let server = Postgres::start(Options::default()).await.unwrap();
    let database = server.database().await.unwrap();
    let stores = [Arc::new(open(&database.url()).await), Arc::new(open(&database.url()).await)];
    for round in 1..=20 {
        apply(&stores[0], round, create(round)).await.unwrap().answer.unwrap();
        let takers: Vec<_> = (0..40)
            .map(|n| {
                let store = Arc::clone(&stores[n % 2]);
                tokio::spawn(async move { apply(&store, round, take()).await.unwrap() })
            })
            .collect();
        let mut taken = 0;
        for taker in takers {
            let applied = taker.await.unwrap();
            match applied.bytes {
                Some(bytes) => {
                    assert_eq!(&bytes[..], b"a secret");
                    taken += 1;
                }
                None => assert_eq!(applied.answer, Err(Refusal::Gone)),
            }
        }
        assert_eq!(taken, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_what_it_acknowledged_and_comes_back() {
    let mut server = Postgres::start(Options::default()).await.unwrap();
    let database = server.database().await.unwrap();
    let (url, store) = (database.url(), open(&database.url()).await);
    apply(&store, 1, create(1)).await.unwrap().answer.unwrap();
    apply(&store, 2, create(2)).await.unwrap().answer.unwrap();
    apply(&store, 2, take()).await.unwrap().answer.unwrap();
    server.kill().unwrap();
    assert!(matches!(apply(&store, 1, take()).await, Err(StoreError::Unavailable(_))));
    server.restart().await.unwrap();
    // The pool finds out by itself which of its connections are dead.
    assert!(apply(&store, 1, take()).await.unwrap().bytes.is_some());
    assert_eq!(apply(&store, 2, take()).await.unwrap().answer, Err(Refusal::Gone));
    store.close().await;
    // Started again, it is the same database, and nothing is discarded.
    let opened = PostgresStore::open(&url, 2, false).await.unwrap();
    assert_eq!(opened.discarded, 0);
}

#[tokio::test]
async fn another_life_of_the_database_and_a_word_discard_everything() {
    let server = Postgres::start(Options::default()).await.unwrap();
    let database = server.database().await.unwrap();
    let store = open(&database.url()).await;
    apply(&store, 1, create(1)).await.unwrap().answer.unwrap();
    store.close().await;
    // As after a restore, which goes on on another timeline.
    database.sql("UPDATE life SET mark = convert_to('1234/00000001', 'UTF8') WHERE id = 1").await.unwrap();
    let opened = PostgresStore::open(&database.url(), 2, false).await.unwrap();
    assert_eq!(opened.discarded, 1);
    apply(&opened.store, 1, create(1)).await.unwrap().answer.unwrap();
    opened.store.close().await;
    assert_eq!(PostgresStore::open(&database.url(), 2, true).await.unwrap().discarded, 1);
}

/// A standby takes over while the service runs: connections break and come back to another life.
#[tokio::test]
async fn another_life_under_a_running_service_discards_everything() {
    let mut server = Postgres::start(Options::default()).await.unwrap();
    let database = server.database().await.unwrap();
    let store = open(&database.url()).await;
    apply(&store, 1, create(1)).await.unwrap().answer.unwrap();
    database.sql("UPDATE life SET mark = convert_to('1234/00000001/1', 'UTF8') WHERE id = 1").await.unwrap();
    server.kill().unwrap();
    server.restart().await.unwrap();
    assert_eq!(apply(&store, 1, take()).await.unwrap().answer, Err(Refusal::Gone));
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_tell_it() {
    let server = Postgres::start(Options::default()).await.unwrap();
    let database = server.database().await.unwrap();
    let url = database.url_with_wrong_password();
    let error = PostgresStore::open(&url, 2, false).await.unwrap_err();
    let shown = format!("{error:?} {error}");
    let password = url.split(':').nth(2).unwrap().split('@').next().unwrap();
    assert!(password.len() > 3 && !shown.contains(password), "{shown}");
    assert!(PostgresStore::open("postgresql://u:hunter2@[", 2, false).await.is_err());
}
