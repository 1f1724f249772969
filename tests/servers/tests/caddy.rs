//! The load balancer hands requests out in turn and leaves out a server that is not there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

use std::{collections::BTreeSet, net::SocketAddr};

use servers::{Caddy, PATIENCE, Port};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// A server that answers every request with its name.
async fn named(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    address
}

async fn get(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn requests_go_to_all_servers_that_are_there() {
    let down = Port::free().unwrap();
    let caddy = Caddy::start(&[named("first").await, named("second").await, down.address()]).await.unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..6 {
        let answer = get(caddy.port()).await;
        let name = ["first", "second"].into_iter().find(|name| answer.ends_with(name));
        seen.insert(name.unwrap_or_else(|| panic!("{answer}")));
    }
    assert_eq!(seen.len(), 2);
}
