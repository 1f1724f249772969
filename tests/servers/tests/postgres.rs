//! PostgreSQL starts, answers, keeps what was committed across a crash and forgets it when it is wiped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

use std::time::Duration;

use servers::{
    PATIENCE, Postgres,
    postgres::{Database, Options},
};
use tokio::{net::TcpStream, time::timeout};

async fn one(database: &Database, statement: &str) -> String {
    let rows = database.sql(statement).await.unwrap();
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let [Some(field)] = &row[..] else { panic!("{row:?}") };
    field.clone()
}

fn running(cluster: &std::path::Path) -> usize {
    // All its processes run in its folder.
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter(|entry| entry.path().join("cwd").read_link().is_ok_and(|cwd| cwd == cluster)).count()
}

#[tokio::test]
async fn a_killed_server_comes_back_with_what_was_committed_and_a_wiped_one_without() {
    let mut postgres = Postgres::start(Options { fsync: true, ..Options::default() }).await.unwrap();
    let database = postgres.database().await.unwrap();
    database.sql("CREATE TABLE things (word text); INSERT INTO things VALUES ('quince')").await.unwrap();
    assert_eq!(one(&database, "SHOW fsync").await, "on");
    // Neither is committed: one connection is cut off by the crash, the other never was one.
    let open = tokio::spawn({
        let database = database.clone();
        async move { database.sql("BEGIN; INSERT INTO things VALUES ('medlar'); SELECT pg_sleep(1000)").await }
    });
    let seen = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let looking = async {
        while one(&database, seen).await != "1" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap();
    assert!(running(postgres.data()) > 3);

    postgres.kill().unwrap();
    assert_eq!(running(postgres.data()), 0, "a process lives on");
    open.await.unwrap().unwrap_err();
    assert!(TcpStream::connect(("127.0.0.1", postgres.port())).await.is_err(), "still listening");
    database.sql("SELECT 1").await.unwrap_err();

    postgres.restart().await.unwrap();
    assert_eq!(one(&database, "SELECT string_agg(word, ' ') FROM things").await, "quince");
    postgres.stop(PATIENCE).await.unwrap();
    postgres.restart().await.unwrap();
    assert_eq!(one(&database, "SELECT count(*) FROM things").await, "1");

    postgres.wipe().await.unwrap();
    postgres.restart().await.unwrap();
    let gone = database.sql("SELECT 1").await.unwrap_err().to_string();
    assert!(gone.contains("3D000"), "{gone}");
}

#[tokio::test]
async fn databases_do_not_know_of_each_other_and_ask_for_a_password() {
    let postgres = Postgres::start(Options { connections: Some(20), ..Options::default() }).await.unwrap();
    let first = postgres.database().await.unwrap();
    let second = postgres.database().await.unwrap();
    first.sql("CREATE TABLE things ()").await.unwrap();
    let unknown = second.sql("SELECT * FROM things").await.unwrap_err().to_string();
    assert!(unknown.contains("42P01"), "{unknown}");
    assert_eq!(one(&first, "SHOW max_connections").await, "20");
    assert_eq!(one(&first, "SHOW password_encryption").await, "scram-sha-256");
    assert_eq!(second.sql("SELECT null, ''").await.unwrap(), [[None, Some(String::new())]]);
    assert_ne!(first.url(), second.url());
    assert!(postgres.url().ends_with("/postgres") && first.url() != first.url_with_wrong_password());
}

#[tokio::test]
async fn a_paused_server_answers_when_it_goes_on() {
    let mut postgres = Postgres::start(Options::default()).await.unwrap();
    let database = postgres.database().await.unwrap();
    postgres.pause().unwrap();
    let asked = tokio::spawn({
        let database = database.clone();
        async move { one(&database, "SELECT 1 + 1").await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!asked.is_finished(), "a paused server answered");
    postgres.resume().unwrap();
    assert_eq!(timeout(PATIENCE, asked).await.unwrap().unwrap(), "2");
}

#[tokio::test]
async fn nothing_stays_behind() {
    let postgres = Postgres::start(Options::default()).await.unwrap();
    let cluster = postgres.data().to_owned();
    let file = std::fs::read_to_string(cluster.join("postmaster.pid")).unwrap();
    let memory = file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)).unwrap().to_owned();
    let shared = || std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let there = |shared: &str| shared.lines().any(|line| line.split_whitespace().nth(1) == Some(&memory[..]));
    assert!(there(&shared()));
    drop(postgres);
    assert_eq!(running(&cluster), 0);
    assert!(!cluster.exists());
    assert!(!there(&shared()), "its piece of shared memory is still there");
}
