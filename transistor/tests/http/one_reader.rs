//! A thousand readers at once, and exactly one of them gets it.

use std::sync::Arc;

use api::{ErrorCode, Problem, transistor as wire};
use servers::{Postgres, postgres::Options};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Barrier,
    task::JoinSet,
};

use crate::kit::{Ask as _, Site, bytes, id, in_postgres, soon, token};

const READERS: u32 = 1000;

/// Sends what `request` makes of each number, all at the same time on as many connections; gives the answers whole.
async fn all_at_once(site: &Site, request: impl Fn(u32) -> String) -> Vec<Vec<u8>> {
    let start = Arc::new(Barrier::new(READERS as usize));
    let mut readers = JoinSet::new();
    for n in 0..READERS {
        let (address, start, request) = (site.address, Arc::clone(&start), request(n));
        readers.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            start.wait().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            (n, answer)
        });
    }
    let mut answers = soon(readers.join_all()).await;
    answers.sort_unstable_by_key(|(n, _)| *n);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn split(answer: &[u8]) -> (&str, &[u8]) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (str::from_utf8(&answer[..end]).unwrap(), &answer[end + 4..])
}

fn is_ok(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200 ")
}

fn is_gone(answer: &[u8]) -> bool {
    let (head, body) = split(answer);
    head.starts_with("HTTP/1.1 404 ") && Problem::from_response(404, body).code() == ErrorCode::DropGone
}

async fn exactly_one(site: &Site) {
    let host = site.address;
    for (n, len) in [(1, 40), (2, 200_000)] {
        let content = bytes(len);
        site.put(&id(n), content.clone()).await.status_and(201);
        let path = wire::content(&id(n));
        let answers = all_at_once(site, |_| {
            format!(
                "GET /transistor{path} HTTP/1.1\r\nhost: {host}\r\naccept: application/octet-stream\r\nconnection: \
                 close\r\n\r\n"
            )
        })
        .await;
        let given: Vec<_> = answers.iter().filter(|answer| is_ok(answer)).collect();
        assert_eq!(given.len(), 1, "of {len} bytes");
        assert!(split(given[0]).1 == content);
        assert_eq!(answers.iter().filter(|answer| is_gone(answer)).count(), READERS as usize - 1);
    }

    site.put(&id(3), "claimed").await.status_and(201);
    let path = wire::claim(&id(3));
    let answers = all_at_once(site, |n| {
        let claim = token(n).to_text();
        format!(
            "PUT /transistor{path} HTTP/1.1\r\nhost: {host}\r\ntransistor-claim: {}\r\nconnection: close\r\n\r\n",
            *claim
        )
    })
    .await;
    let holders: Vec<u32> = (0..READERS).filter(|n| is_ok(&answers[*n as usize])).collect();
    assert_eq!(holders.len(), 1);
    assert_eq!(answers.iter().filter(|answer| is_gone(answer)).count(), READERS as usize - 1);
    assert_eq!(site.read(&id(3), &token(holders[0])).await.body, b"claimed");
    let other = token((holders[0] + 1) % READERS);
    assert_eq!(site.read(&id(3), &other).await.code(), ErrorCode::DropGone);
    let confirmed =
        site.request("POST", &wire::confirm(&id(3))).token(wire::CLAIM, &token(holders[0])).reply();
    confirmed.await.status_and(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_in_sqlite() {
    let site = Site::start().await;
    exactly_one(&site).await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_in_postgresql() {
    let server = Postgres::start(Options::default()).await.unwrap();
    let site = Site::with(|settings| in_postgres(settings, &server.url())).await;
    exactly_one(&site).await;
    site.stop().await;
}
