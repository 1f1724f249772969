//! Whoever can read nothing hears the same, whatever the reason.

use std::collections::BTreeSet;

use api::transistor as wire;

use crate::kit::{Ask as _, START, Site, hash, id, token};

/// The head and body of an answer, without what names the request and the moment.
fn without_names(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let named = head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    let head: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with("x-request-id: ") && !line.starts_with("date: "))
        .collect();
    assert!(body.is_empty() || body.contains(named));
    format!("{}\n\n{}", head.join("\n"), body.replace(named, ""))
}

#[tokio::test]
async fn the_same_bytes_for_every_reason() {
    let site = Site::start().await;
    // Read, expired, deleted, claimed by another, unfinished, another access token, none at all; 0 was never there.
    for n in 1..=7 {
        let put = site.putting(&id(n)).bearer(&token(100)).header(wire::INFO, "AAAA");
        let put = if n == 2 { put.header(wire::EXPIRES_IN, "60") } else { put };
        let put = if n >= 6 { put.header(wire::ACCESS_HASH, hash(&token(200)).to_string()) } else { put };
        if n == 5 {
            let metadata = wire::UploadMetadata { id: Some(id(n)), ..wire::UploadMetadata::default() };
            let begin = site.request("POST", &wire::uploads()).header(wire::TUS_RESUMABLE, "1.0.0");
            let begin =
                begin.header(wire::UPLOAD_LENGTH, "5").header(wire::UPLOAD_METADATA, metadata.to_header());
            begin.reply().await.status_and(201);
        } else {
            put.body("secret").reply().await.status_and(201);
        }
    }
    assert_eq!(site.take(&id(1)).await.body, b"secret");
    site.clock.set(START + 60);
    site.request("DELETE", &wire::transfer(&id(3))).bearer(&token(100)).reply().await.status_and(204);
    site.claim(&id(4), &token(4)).await.status_and(200);

    let (host, claim, other, wrong) =
        (site.address, token(1).to_text(), token(2).to_text(), token(3).to_text());
    let (claim, other) = (&*claim, &*other);
    type Path = fn(&wire::TransferId) -> String;
    let requests: [(&str, Path, String); 9] = [
        ("GET", wire::content, "accept: application/octet-stream\r\n".to_owned()),
        ("GET", wire::transfer, "accept: application/vnd.api+json\r\n".to_owned()),
        ("HEAD", wire::content, String::new()),
        ("HEAD", wire::transfer, String::new()),
        ("PUT", wire::claim, format!("transistor-claim: {claim}\r\n")),
        ("GET", wire::content, format!("transistor-claim: {claim}\r\n")),
        ("DELETE", wire::claim, format!("transistor-claim: {claim}\r\n")),
        ("POST", wire::confirm, format!("transistor-claim: {claim}\r\n")),
        ("DELETE", wire::transfer, format!("authorization: Bearer {other}\r\n")),
    ];
    for (method, path, headers) in requests {
        let mut answers = BTreeSet::new();
        for n in 0..=7 {
            let access = if n == 6 { format!("transistor-access: {}\r\n", *wrong) } else { String::new() };
            let path = path(&id(n));
            let answer = site
                .raw(&format!(
                    "{method} /transistor{path} HTTP/1.1\r\nhost: {host}\r\n{headers}{access}connection: close\r\n\r\n"
                ))
                .await;
            assert!(answer.starts_with("HTTP/1.1 404 "), "{method} {path}: {answer}");
            answers.insert(without_names(&answer));
        }
        assert_eq!(answers.len(), 1, "{method}: {answers:#?}");
    }
    site.stop().await;
}
