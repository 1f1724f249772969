//! Making a drop can be repeated by whoever does not know whether it was heard.

use api::{ErrorCode, transistor as wire};

use crate::kit::{Ask as _, Site, bytes, id, text, token};

#[tokio::test]
async fn the_same_creator_hears_that_it_is_there() {
    let site = Site::start().await;
    let create = |token: &wire::DropToken, id, body: &str| {
        let request = site.request("POST", &wire::transfers()).header("content-type", wire::JSON_API);
        request.bearer(token).body(text(id, body).to_json()).reply()
    };
    let first = create(&token(1), id(1), "first").await.status_and(201);
    let second = create(&token(1), id(1), "second").await.status_and(200);
    assert_eq!(first.body, second.body, "it is the first that is told of");
    assert_eq!(wire::Transfer::from_json(&first.body).unwrap().deletion_token, None);
    assert_eq!(create(&token(2), id(1), "third").await.code(), ErrorCode::DropExists);
    assert_eq!(site.create(&text(id(1), "fourth")).await.code(), ErrorCode::DropExists);
    assert_eq!(site.take(&id(1)).await.body, b"first");

    for len in [10, 200_000] {
        let put = |token: &wire::DropToken| site.putting(&id(2)).bearer(token).body(bytes(len)).reply();
        put(&token(1)).await.status_and(201);
        put(&token(1)).await.status_and(200);
        assert_eq!(put(&token(2)).await.code(), ErrorCode::DropExists);
        assert!(site.take(&id(2)).await.body == bytes(len));
    }
    site.stop().await;
}

#[tokio::test]
async fn a_repetition_is_answered_before_its_body_is_read() {
    let site = Site::start().await;
    site.putting(&id(1)).bearer(&token(1)).body(bytes(200_000)).reply().await.status_and(201);
    let (path, secret) = (wire::content(&id(1)), token(1).to_text());
    // The body never comes.
    let answer = site
        .raw(&format!(
            "PUT /transistor{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\nauthorization: \
             Bearer {}\r\ncontent-length: 200000\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n",
            *secret
        ))
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    site.stop().await;
}
