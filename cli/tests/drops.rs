//! `kith serve` with read-once drops on its listener.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test helpers"
)]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use servers::{PATIENCE, Port, Process, Program};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const ID: &str = "0b5e1f6a-57d2-4c1b-9a0d-6f2f6d1f0a11";
/// 32 bytes of 7, what a reader shows, and their SHA-256.
const ACCESS: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const ACCESS_HASH: &str = "S7Bvjk46dxXSAdVz0KpCN2LlXavWGiwCJ4-lbMbSlOA";
/// 32 bytes of 8, the creator's word.
const DELETION: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg";

async fn serve(data: &Path, port: u16, settings: &[&str]) -> Process {
    let mut program = Program::new(env!("CARGO_BIN_EXE_kith"))
        .arg("serve")
        .arg("--data")
        .arg(data)
        .args(["--listen", &format!("127.0.0.1:{port}")]);
    for setting in settings {
        program = program.args(["--set", setting]);
    }
    let mut process = program.start().await.unwrap();
    process.line("the node is ready").await.unwrap();
    process
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn content(id: &str) -> String {
    format!("/transistor/v1/public/transfers/{id}/content")
}

fn head(method: &str, path: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{lines}\r\n")
}

async fn ask(port: u16, method: &str, path: &str, lines: &[&str], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(head(method, path, lines).as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let status = head[9..12].parse().unwrap();
    assert!(!head.contains("transfer-encoding"), "{head}");
    Answer { status, head, body: answer[end + 4..].to_vec() }
}

async fn put(port: u16, id: &str, body: &[u8]) -> Answer {
    let lines = [
        "content-type: application/octet-stream".to_owned(),
        format!("content-length: {}", body.len()),
        format!("transistor-access-hash: {ACCESS_HASH}"),
        format!("authorization: Bearer {DELETION}"),
    ];
    ask(port, "PUT", &content(id), &lines.each_ref().map(String::as_str), body).await
}

async fn look(port: u16, id: &str) -> Answer {
    ask(port, "HEAD", &content(id), &[&format!("transistor-access: {ACCESS}")], b"").await
}

async fn take(port: u16, id: &str) -> Answer {
    ask(port, "GET", &content(id), &[&format!("transistor-access: {ACCESS}")], b"").await
}

async fn node(port: u16) -> serde_json::Value {
    let answer = ask(port, "GET", "/v1/node", &["accept: application/json"], b"").await;
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_is_handed_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let port = Port::free().unwrap();
    let number = port.number();
    let mut server = serve(&data, number, &[]).await;
    assert_eq!(node(number).await["transistor"], format!("http://127.0.0.1:{number}/transistor"));

    let body = b"for one reader alone";
    assert_eq!(put(number, ID, body).await.status, 201);
    // It is the folder's like everything else: there after a restart.
    assert_eq!(server.terminate(PATIENCE).await.unwrap().code(), Some(0));
    let log_end = server.log_end();
    server.restart().await.unwrap();
    server.line_from(log_end, "the node is ready").await.unwrap();
    let there = look(number, ID).await;
    assert_eq!(there.status, 200, "{}", there.head);
    assert!(there.head.contains(&format!("content-length: {}", body.len())), "{}", there.head);
    assert!(data.join("transistor").is_dir());

    let taken = take(number, ID).await;
    assert_eq!((taken.status, taken.body.as_slice()), (200, body.as_slice()));
    let second = take(number, ID).await;
    assert_eq!((second.status, second.code().as_str()), (404, "drop_gone"));
    assert_eq!(look(number, ID).await.status, 404);
    assert_eq!(ask(number, "GET", "/transistor/d", &[], b"").await.status, 200);

    // What was asked of it is counted with the node's, and its paths are not the node's.
    let metrics = ask(number, "GET", "/metrics", &[], b"").await.text();
    let counted = |line: &str| metrics.lines().any(|known| known.starts_with(line));
    assert!(counted("transistor_http_requests_total{route=\"/transistor/v1/public/transfers/{id}/content\""));
    assert!(counted("node_http_requests_total{route=\"/v1/node\""));
    assert!(!server.log().contains(ID), "{}", server.log());
    assert_eq!(server.interrupt(PATIENCE).await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upload_leaves_nothing() {
    const LENGTH: usize = 4 * 1024 * 1024;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let port = Port::free().unwrap();
    let number = port.number();
    let mut server = serve(&data, number, &["http.drain=500ms"]).await;
    let lines = [
        "content-type: application/octet-stream".to_owned(),
        format!("content-length: {LENGTH}"),
        format!("transistor-access-hash: {ACCESS_HASH}"),
        format!("authorization: Bearer {DELETION}"),
    ];
    let mut upload = TcpStream::connect(("127.0.0.1", number)).await.unwrap();
    let request = head("PUT", &content(ID), &lines.each_ref().map(String::as_str));
    upload.write_all(request.as_bytes()).await.unwrap();
    upload.write_all(&vec![7; LENGTH / 2]).await.unwrap();
    let end = Instant::now() + PATIENCE;
    while !ask(number, "GET", "/metrics", &[], b"").await.text().contains("transistor_http_requests_open 1\n")
    {
        assert!(Instant::now() < end, "the upload is not seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    assert_eq!(server.interrupt(PATIENCE).await.unwrap().code(), Some(0), "{}", server.log());
    let mut rest = Vec::new();
    // By a reset, a refusal or an orderly end: it is not said to be there.
    let _ended = timeout(PATIENCE, upload.read_to_end(&mut rest)).await.unwrap();
    assert!(!String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 2"));

    let mut server = serve(&data, number, &[]).await;
    assert_eq!(look(number, ID).await.status, 404);
    // The id is free, too.
    assert_eq!(put(number, ID, b"again").await.status, 201);
    assert_eq!(take(number, ID).await.body, b"again");
    assert_eq!(server.terminate(PATIENCE).await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn drops_of_a_copy_are_erased() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let port = Port::free().unwrap();
    let number = port.number();
    let mut server = serve(&data, number, &[]).await;
    assert_eq!(put(number, ID, b"read since the copy was made").await.status, 201);
    assert_eq!(server.terminate(PATIENCE).await.unwrap().code(), Some(0));
    let mut server = serve(&data, number, &["store.restored=true"]).await;
    assert_eq!(look(number, ID).await.status, 404);
    assert_eq!(server.terminate(PATIENCE).await.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_it_there_is_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let port = Port::free().unwrap();
    let number = port.number();
    let mut server = serve(&data, number, &["transistor.enabled=false"]).await;
    assert!(node(number).await.get("transistor").is_none());
    let refused = take(number, ID).await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "not_found"));
    assert!(!data.join("transistor").exists());
    server.kill().unwrap();
}
