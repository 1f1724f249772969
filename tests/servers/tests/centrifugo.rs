//! Centrifugo starts with a configuration of the test, answers, and comes back on its port.
//!
//! It is built from source, which takes minutes, so `scripts/servers` installs it only when asked, and so is this test.
#![allow(clippy::unwrap_used, reason = "test helpers")]

use serde_json::json;
use servers::{Centrifugo, PATIENCE};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

async fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
#[ignore = "needs scripts/servers centrifugo"]
async fn it_answers_and_comes_back() {
    let mut centrifugo = Centrifugo::start(&json!({ "health": true })).await.unwrap();
    let url = centrifugo.url();
    assert!(get(centrifugo.port(), "/health").await.starts_with("HTTP/1.1 200"));
    centrifugo.kill().unwrap();
    centrifugo.restart().await.unwrap();
    assert_eq!(centrifugo.url(), url);
    assert!(get(centrifugo.port(), "/health").await.starts_with("HTTP/1.1 200"));
}
