//! The store in a file: the contract, restarts, copies brought back, and what is left of erased bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::path::Path;

use bytes::Bytes;
use drop_state::{Answer, BodyId, Command, Create, DropId, Millis, Reader, Refusal, Size, TokenHash};
use transistor::store::{Applied, Payload, Store, conformance, sqlite::SqliteStore};

const NOW: Millis = Millis::new(1);
const CANARY: &[u8] = b"canary-4711-canary";

async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("drops.sqlite"), false).await.unwrap().store
}

fn create(bytes: &'static [u8]) -> (Command, Payload) {
    let create = Create {
        body: BodyId::from_bytes([1; 16]),
        size: Size::Complete(bytes.len() as u64),
        inline: true,
        text: false,
        info: Vec::new(),
        access: None,
        unlock: None,
        deleter: TokenHash::of(&[1; 32]),
        upload: None,
        expires: Millis::new(1000),
    };
    (Command::Create(Box::new(create)), Payload::Inline(Bytes::from_static(bytes)))
}

async fn apply(store: &SqliteStore, n: u8, (command, payload): (Command, Payload)) -> Applied {
    store.apply(DropId::from_random([n; 16]), command, payload, NOW).await.unwrap()
}

fn take() -> (Command, Payload) {
    let by = TokenHash::of(&[2; 32]);
    (Command::Take { reader: Reader::default(), by, lease: 10, text: false }, Payload::None)
}

/// Files of a folder in which the bytes stand.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes) {
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    conformance::run(|| {
        count.set(count.get() + 1);
        let file = folder.path().join(format!("{}.sqlite", count.get()));
        async move { SqliteStore::open(&file, false).await.unwrap().store }
    })
    .await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    apply(&store, 1, create(CANARY)).await.answer.unwrap();
    store.close().await;
    let store = open(folder.path()).await;
    assert_eq!(apply(&store, 1, take()).await.bytes.as_deref(), Some(CANARY));
    assert_eq!(apply(&store, 1, take()).await.answer, Err(Refusal::Gone));
    store.close().await;
    let store = open(folder.path()).await;
    assert_eq!(apply(&store, 1, take()).await.answer, Err(Refusal::Gone));
}

#[tokio::test]
async fn nothing_is_left_of_what_was_erased() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    apply(&store, 1, create(CANARY)).await.answer.unwrap();
    assert!(!holding(folder.path(), CANARY).is_empty(), "it can be found while it is there");
    store.scrub().await.unwrap();
    assert_eq!(holding(folder.path(), CANARY), ["drops.sqlite"]);
    assert!(matches!(apply(&store, 1, take()).await.answer, Ok(Answer::Given(_))));
    store.scrub().await.unwrap();
    assert_eq!(holding(folder.path(), CANARY), [""; 0]);
}

#[tokio::test]
async fn a_copy_that_was_brought_back_gives_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drops.sqlite");
    let backup = folder.path().join("backup");
    let store = open(folder.path()).await;
    apply(&store, 1, create(CANARY)).await.answer.unwrap();
    store.close().await;
    std::fs::copy(&file, &backup).unwrap();

    // Read after the backup was made.
    let store = open(folder.path()).await;
    apply(&store, 1, take()).await.answer.unwrap();
    store.close().await;
    std::fs::copy(&backup, &file).unwrap();
    let opened = SqliteStore::open(&file, false).await.unwrap();
    assert_eq!(opened.discarded, 1);
    assert_eq!(apply(&opened.store, 1, take()).await.answer, Err(Refusal::Gone));
    opened.store.close().await;

    // Moved somewhere else without what stands beside it.
    let store = open(folder.path()).await;
    apply(&store, 2, create(CANARY)).await.answer.unwrap();
    store.close().await;
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(&file, elsewhere.path().join("drops.sqlite")).unwrap();
    let opened = SqliteStore::open(&elsewhere.path().join("drops.sqlite"), false).await.unwrap();
    assert_eq!(opened.discarded, 1);

    // And by word.
    let opened = SqliteStore::open(&file, true).await.unwrap();
    assert_eq!(opened.discarded, 1);
}

/// A copy made while the store was open, brought back after drops were read: nothing was opened in between.
#[tokio::test]
async fn a_copy_of_an_open_store_gives_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drops.sqlite");
    let backup = folder.path().join("backup");
    let store = open(folder.path()).await;
    apply(&store, 1, create(CANARY)).await.answer.unwrap();
    // What stands in the journal is in the file then, so that the copy is a whole one.
    store.scrub().await.unwrap();
    std::fs::copy(&file, &backup).unwrap();
    apply(&store, 1, take()).await.answer.unwrap();
    store.close().await;
    std::fs::copy(&backup, &file).unwrap();
    let opened = SqliteStore::open(&file, false).await.unwrap();
    assert_eq!(opened.discarded, 1);
    assert_eq!(apply(&opened.store, 1, take()).await.answer, Err(Refusal::Gone));
}

/// Who asked and went away before it was their turn has not taken anything.
#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    apply(&store, 1, create(CANARY)).await.answer.unwrap();
    {
        // Polled once, which queues it; on this one thread nothing else has run yet.
        let (command, payload) = take();
        let mut asked = store.apply(DropId::from_random([1; 16]), command, payload, NOW);
        let waits = std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx).is_pending()));
        assert!(waits.await);
    }
    assert!(apply(&store, 1, take()).await.bytes.is_some());
}

#[tokio::test]
async fn an_unusable_file_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drops.sqlite");
    std::fs::write(&file, b"this is not a database, it is a letter to somebody").unwrap();
    assert!(SqliteStore::open(&file, false).await.is_err());
    assert!(std::fs::read(&file).unwrap().starts_with(b"this is not"));
    assert!(SqliteStore::open(&folder.path().join("no/such/folder/x"), false).await.is_err());
}
