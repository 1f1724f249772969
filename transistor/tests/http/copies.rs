//! One body, several readers.

use api::{ErrorCode, transistor as wire};

use crate::kit::{Ask as _, Site, bytes, hash, id, token};

#[tokio::test]
async fn each_copy_is_read_once_and_the_original_too() {
    let site = Site::start().await;
    let content = bytes(200_000);
    site.putting(&id(0)).bearer(&token(0)).body(content.clone()).reply().await.status_and(201);
    let copies = (1..=1024).map(|n| wire::CopyOf {
        id: id(n),
        access_hash: Some(hash(&token(n))),
        unlock_hash: Some(hash(&token(n))),
        info: Some(wire::Info::from_bytes(vec![7; 1024]).unwrap()),
    });
    let document = wire::Copies(copies.collect());
    for _ in 0..2 {
        let request = site.request("POST", &wire::copies(&id(0))).bearer(&token(0));
        let request = request.header("content-type", wire::JSON_API).body(document.to_json());
        request.reply().await.status_and(204);
    }
    for n in [1, 1024] {
        let take = || {
            let request = site.request("GET", &wire::content(&id(n))).token(wire::ACCESS, &token(n));
            request.token(wire::UNLOCK, &token(n)).reply()
        };
        assert!(take().await.status_and(200).body == content);
        assert_eq!(take().await.code(), ErrorCode::DropGone);
    }
    assert!(site.take(&id(0)).await.body == content);
    assert_eq!(site.take(&id(0)).await.code(), ErrorCode::DropGone);
    site.stop().await;
}
