//! Settings, exit codes, health, an end in order, and drops of a database that was brought back.

use std::{path::Path, time::Duration};

use api::{paths, transistor as wire};
use servers::{PATIENCE, Postgres, Process, Program, postgres::Options};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::kit::{Reply, bytes, client, id, token};

pub(crate) fn program(folder: &Path) -> Program {
    Program::new(env!("CARGO_BIN_EXE_transistor"))
        .folder(folder)
        .env("KITH__LISTEN__ADDRESS", "127.0.0.1:0")
        .env("KITH__BODIES__MIN_FREE", "0B")
}

async fn run(program: Program) -> (Option<i32>, String) {
    let mut process = program.start().await.unwrap();
    let status = process.wait(PATIENCE).await.unwrap();
    (status.code(), process.log())
}

/// The port it says it listens on.
pub(crate) async fn port(process: &mut Process) -> u16 {
    let line = process.line("the transistor is ready").await.unwrap();
    line.rsplit("port=").next().unwrap().trim().parse().unwrap()
}

pub(crate) async fn ask(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Reply {
    use crate::kit::Ask as _;

    let request = client().request(method.parse().unwrap(), format!("http://127.0.0.1:{port}{path}"));
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(body)
        .reply()
        .await
}

async fn put(port: u16, n: u32, body: Vec<u8>) {
    let path = format!("{}{}", wire::BASE, wire::content(&id(n)));
    ask(port, "PUT", &path, &[("content-type", wire::OCTET_STREAM)], body).await.status_and(201);
}

async fn take(port: u16, n: u32) -> Reply {
    let path = format!("{}{}", wire::BASE, wire::content(&id(n)));
    ask(port, "GET", &path, &[("accept", wire::OCTET_STREAM)], Vec::new()).await
}

#[tokio::test]
async fn settings_are_shown_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let shown = program(folder.path())
        .env("KITH__STORE__POSTGRESQL__URL", "postgresql://kith:hunter2@db.example/")
        .env("KITH__DROPS__LEASE", "7s")
        .arg("--print-config");
    let (code, text) = run(shown).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("lease = \"7s\"") && text.contains("[rates.kilobytes]"), "{text}");
    assert!(!text.contains("hunter2"));

    let wrong =
        ["store.kind=postgresql", "drops.lease=1ms", "rates.drops.burst=0", "cors.origins=[\"app.example\"]"];
    let wrong = wrong.iter().flat_map(|setting| ["--set", setting]);
    let (code, text) = run(program(folder.path()).args(wrong)).await;
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("cors.origins"), "{text}");
    let wrong = ["store.kind=postgresql", "drops.lease=1ms", "rates.drops.burst=0"];
    let wrong = wrong.iter().flat_map(|setting| ["--set", setting]);
    let (code, text) = run(program(folder.path()).args(wrong)).await;
    assert_eq!(code, Some(2), "{text}");
    for problem in ["store.postgresql.url", "drops.lease", "rates.drops.burst"] {
        assert!(text.contains(problem), "{problem} is not in {text}");
    }
    let (code, text) = run(program(folder.path()).args(["--set", "bodies.path=/dev/null/bodies"])).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the place of bodies cannot be used"), "{text}");
}

#[tokio::test]
async fn health_and_measurements_are_for_operators() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = program(folder.path()).start().await.unwrap();
    let public = port(&mut process).await;
    let get = async |port: u16, path: &str| ask(port, "GET", path, &[], Vec::new()).await;
    put(public, 1, b"x".to_vec()).await;
    for path in [paths::LIVE, paths::READY] {
        get(public, path).await.status_and(204);
    }
    let metrics = String::from_utf8(get(public, paths::METRICS).await.status_and(200).body).unwrap();
    assert!(metrics.contains("transistor_http_requests_total") && metrics.ends_with("# EOF\n"), "{metrics}");
    get(public, "/elsewhere").await.status_and(404);
    assert_eq!(process.terminate(PATIENCE).await.unwrap().code(), Some(0));
    // With a listener of their own, they are nobody else's.
    let mut process = program(folder.path()).env("KITH__LISTEN__ADMIN", "127.0.0.1:0").start().await.unwrap();
    let public = port(&mut process).await;
    for path in [paths::LIVE, paths::READY, paths::METRICS] {
        get(public, path).await.status_and(404);
    }
    assert_eq!(take(public, 1).await.body, b"x", "kept over a restart");
    assert_eq!(process.terminate(PATIENCE).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn what_is_under_way_goes_on_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = program(folder.path()).start().await.unwrap();
    let port = port(&mut process).await;
    let content = bytes(8 * 1024 * 1024);
    put(port, 1, content.clone()).await;

    let mut upload = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let path = wire::content(&id(2));
    let head = format!(
        "PUT /transistor{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\ncontent-length: \
         {}\r\n\r\n",
        content.len()
    );
    upload.write_all(head.as_bytes()).await.unwrap();
    let (first, second) = content.split_at(5_000_000);
    upload.write_all(first).await.unwrap();

    // More than connections keep in their buffers, so that most of it is still to be sent.
    let mut download = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let path = wire::content(&id(1));
    let head = format!(
        "GET /transistor{path} HTTP/1.1\r\nhost: x\r\naccept: application/octet-stream\r\nconnection: close\r\n\r\n"
    );
    download.write_all(head.as_bytes()).await.unwrap();
    let mut begun = vec![0; 100_000];
    download.read_exact(&mut begun).await.unwrap();

    let clients = async {
        // New ones are turned away: from then on, the rest is sent.
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        upload.write_all(second).await.unwrap();
        let mut answer = Vec::new();
        upload.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 201 "), "{}", String::from_utf8_lossy(&answer));
        let mut whole = begun;
        download.read_to_end(&mut whole).await.unwrap();
        assert!(whole.starts_with(b"HTTP/1.1 200 ") && whole.ends_with(&content));
    };
    let (status, ()) = tokio::join!(process.interrupt(PATIENCE), clients);
    assert_eq!(status.unwrap().code(), Some(0), "{}", process.log());

    // What was answered is there, and what was sent is not.
    let from = process.log_end();
    process.restart().await.unwrap();
    let line = process.line_from(from, "the transistor is ready").await;
    let port: u16 = line.unwrap().rsplit("port=").next().unwrap().trim().parse().unwrap();
    assert!(take(port, 2).await.status_and(200).body == content);
    assert_eq!(take(port, 1).await.status, 404);
    assert_eq!(process.terminate(PATIENCE).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn drops_of_a_database_that_was_brought_back_are_erased() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = program(folder.path()).start().await.unwrap();
    let port_before = port(&mut process).await;
    put(port_before, 1, bytes(10)).await;
    put(port_before, 2, bytes(100_000)).await;
    assert_eq!(process.terminate(PATIENCE).await.unwrap().code(), Some(0));
    let (code, text) = run(program(folder.path()).arg("--discard")).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("2 drops erased"), "{text}");
    let mut process = program(folder.path()).start().await.unwrap();
    let port_after = port(&mut process).await;
    for n in [1, 2] {
        assert_eq!(take(port_after, n).await.status, 404);
    }
    assert_eq!(process.terminate(PATIENCE).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let in_database = |url: String| {
        program(folder.path()).env("KITH__STORE__KIND", "postgresql").env("KITH__STORE__POSTGRESQL__URL", url)
    };
    let mut process = in_database(format!("postgres://kith:hunter2@{free}/kith")).start().await.unwrap();
    process.line("the database cannot be reached; waiting for it").await.unwrap();
    assert_eq!(process.terminate(PATIENCE).await.unwrap().code(), Some(0), "told to stop while it waited");
    assert!(!process.log().contains("hunter2"));

    let server = Postgres::start(Options::default()).await.unwrap();
    let database = server.database().await.unwrap();
    let (code, text) = run(in_database(database.url_with_wrong_password())).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("the database cannot be opened") && !text.contains("wrong@"), "{text}");

    let mut process = in_database(database.url()).start().await.unwrap();
    let port = port(&mut process).await;
    put(port, 1, b"x".to_vec()).await;
    ask(port, "GET", paths::READY, &[], Vec::new()).await.status_and(204);
    assert_eq!(take(port, 1).await.body, b"x");
    let claim = format!("{}{}", wire::BASE, wire::claim(&id(1)));
    let late = ask(port, "PUT", &claim, &[(wire::CLAIM, &*token(1).to_text())], Vec::new()).await;
    assert_eq!(late.status, 404);
    assert_eq!(process.terminate(PATIENCE).await.unwrap().code(), Some(0));
}
