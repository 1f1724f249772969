//! Resumable uploads by a client library that others wrote.

use std::process::Command;

use api::transistor as wire;
use serde_json::Value;
use servers::{PATIENCE, installed};

use crate::{
    kit::{hash, token},
    program::{ask, port, program},
};

const LENGTH: usize = 500_000;

#[tokio::test]
#[ignore = "needs scripts/servers tus-client"]
async fn an_upload_is_cut_resumed_and_another_is_taken_back() {
    let library = installed("tus-client", "node_modules").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut process = program(folder.path()).start().await.unwrap();
    let port = port(&mut process).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tus.js");
    let uploads = format!("http://127.0.0.1:{port}{}", wire::UPLOADS);
    let (access, length) = (hash(&token(1)).to_string(), LENGTH.to_string());
    let client = tokio::task::spawn_blocking(move || {
        Command::new("node")
            .args([script, &uploads, &access, &length])
            .env("NODE_PATH", library)
            .output()
            .unwrap()
    });
    let client = client.await.unwrap();
    assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    let said: Vec<Value> = String::from_utf8(client.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    let (made, unwanted) = (said[0]["id"].as_str().unwrap().to_owned(), said.iter().rev());
    let unwanted = unwanted.filter_map(|event| event["id"].as_str()).next().unwrap().to_owned();
    assert!(said.iter().any(|event| event["method"] == "HEAD"), "it asked where to go on: {said:?}");
    assert_eq!(said[said.len() - 2]["method"], "DELETE");
    assert_ne!(made, unwanted);
    let take = async |id: &str| {
        let path = wire::CONTENT.replace("{id}", id);
        ask(port, "GET", &path, &[(wire::ACCESS, &*token(1).to_text())], Vec::new()).await
    };
    let content: Vec<u8> = (0..LENGTH).map(|n| u8::try_from(n % 251).unwrap()).collect();
    assert!(take(&made).await.status_and(200).body == content);
    take(&unwanted).await.status_and(404);
    assert_eq!(process.terminate(PATIENCE).await.unwrap().code(), Some(0));
}
