//! The servers that speak MongoDB's protocol start, answer, and keep or forget what they should.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

use servers::{Mongo, MongoJava, PATIENCE};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// A field of a BSON document.
enum Value<'a> {
    Text(&'a str),
    Number(i32),
    Documents(&'a [Vec<u8>]),
}
use Value::{Documents, Number, Text};

fn document(fields: &[(&str, Value<'_>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let kind = match value {
            Text(_) => 2,
            Number(_) => 16,
            Documents(_) => 4,
        };
        body.push(kind);
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        match value {
            Text(text) => {
                body.extend_from_slice(&i32::try_from(text.len() + 1).unwrap().to_le_bytes());
                body.extend_from_slice(text.as_bytes());
                body.push(0);
            }
            Number(number) => body.extend_from_slice(&number.to_le_bytes()),
            Documents(documents) => {
                let mut array = Vec::new();
                for (n, document) in documents.iter().enumerate() {
                    array.push(3);
                    array.extend_from_slice(n.to_string().as_bytes());
                    array.push(0);
                    array.extend_from_slice(document);
                }
                array.push(0);
                body.extend_from_slice(&i32::try_from(array.len() + 4).unwrap().to_le_bytes());
                body.extend_from_slice(&array);
            }
        }
    }
    body.push(0);
    [&i32::try_from(body.len() + 4).unwrap().to_le_bytes()[..], &body].concat()
}

/// Runs a command on a connection of its own; the reply as bytes, in which names and texts can be looked for.
async fn run(port: u16, fields: &[(&str, Value<'_>)]) -> Vec<u8> {
    let body = document(fields);
    let mut message = Vec::new();
    for word in [i32::try_from(body.len() + 21).unwrap(), 1, 0, 2013, 0] {
        message.extend_from_slice(&word.to_le_bytes());
    }
    message.push(0);
    message.extend_from_slice(&body);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(&message).await.unwrap();
    let length = timeout(PATIENCE, stream.read_i32_le()).await.unwrap().unwrap();
    let mut reply = vec![0; usize::try_from(length).unwrap() - 4];
    timeout(PATIENCE, stream.read_exact(&mut reply)).await.unwrap().unwrap();
    reply
}

fn contains(reply: &[u8], text: &str) -> bool {
    reply.windows(text.len()).any(|part| part == text.as_bytes())
}

async fn insert(port: u16, id: &str) -> Vec<u8> {
    let documents = [document(&[("_id", Text(id)), ("word", Text("quince"))])];
    run(port, &[("insert", Text("things")), ("documents", Documents(&documents)), ("$db", Text("test"))])
        .await
}

async fn find(port: u16) -> Vec<u8> {
    run(port, &[("find", Text("things")), ("$db", Text("test"))]).await
}

#[tokio::test]
async fn the_engine_comes_back_with_its_folder_and_forgets_when_wiped() {
    let mut mongo = Mongo::start().await.unwrap();
    let hello = run(mongo.port(), &[("hello", Number(1)), ("$db", Text("admin"))]).await;
    assert!(contains(&hello, "maxWireVersion") && !contains(&hello, "setName"));
    insert(mongo.port(), "a").await;
    assert!(contains(&insert(mongo.port(), "a").await, "E11000"), "a second document under the same id");
    // The engine itself crashes on this.
    let session = run(mongo.port(), &[("startSession", Number(1)), ("$db", Text("admin"))]).await;
    assert!(contains(&session, "CommandNotFound"));

    // Asked to end, it writes what it holds; only a journaled write survives a crash.
    mongo.process().terminate(PATIENCE).await.unwrap();
    mongo.restart().await.unwrap();
    assert!(contains(&find(mongo.port()).await, "quince"));
    mongo.kill().unwrap();
    mongo.restart().await.unwrap();
    assert!(contains(&find(mongo.port()).await, "quince"));

    mongo.wipe().unwrap();
    mongo.restart().await.unwrap();
    assert!(!contains(&find(mongo.port()).await, "quince"));
}

#[tokio::test]
async fn the_server_with_change_streams_looks_like_a_replica_set() {
    let mut mongo = MongoJava::start().await.unwrap();
    let hello = run(mongo.port(), &[("hello", Number(1)), ("$db", Text("admin"))]).await;
    assert!(contains(&hello, "setName"));
    insert(mongo.port(), "a").await;
    let again = insert(mongo.port(), "a").await;
    assert!(contains(&again, "E11000"), "{}", String::from_utf8_lossy(&again));
    assert!(contains(&find(mongo.port()).await, "quince"));

    mongo.kill().unwrap();
    mongo.restart().await.unwrap();
    assert!(!contains(&find(mongo.port()).await, "quince"), "it keeps things in memory only");
}
