//! What becomes of drops that all goes well with.

use std::time::Duration;

use api::{ErrorCode, transistor as wire};

use crate::kit::{Ask as _, START, Site, bytes, hash, id, soon, text, token};

#[tokio::test]
async fn a_text_is_made_taken_and_gone() {
    let site = Site::start().await;
    let made = site.create(&text(id(1), "a sëcret")).await.status_and(201);
    let document = wire::Transfer::from_json(&made.body).unwrap();
    assert_eq!((document.id, document.size), (id(1), 9));
    assert_eq!(document.expires_at.unwrap().get(), START + 24 * 3600);
    assert_eq!(made.header("content-type"), wire::JSON_API);
    assert_eq!(made.header("location"), format!("/transistor{}", wire::transfer(&id(1))));

    let take = || site.request("GET", &wire::transfer(&id(1))).header("accept", wire::JSON_API).reply();
    let taken = take().await.status_and(200);
    let document = wire::Transfer::from_json(&taken.body).unwrap();
    assert_eq!((document.text.as_deref(), document.size), (Some("a sëcret"), 9));
    assert_eq!(take().await.code(), ErrorCode::DropGone);
    // What was made may be deleted, but is not there any more.
    let deleter = wire::Transfer::from_json(&made.body).unwrap().deletion_token.unwrap();
    let deleted = site.request("DELETE", &wire::transfer(&id(1))).bearer(&deleter).reply().await;
    assert_eq!(deleted.code(), ErrorCode::DropGone);
    site.stop().await;
}

#[tokio::test]
async fn bytes_are_claimed_read_and_confirmed() {
    let site = Site::start().await;
    for (n, len) in [(1, 0), (2, 1), (3, 16 * 1024), (4, 300_000)] {
        let content = bytes(len);
        let put = site
            .putting(&id(n))
            .header(wire::INFO, "AAAA")
            .header(wire::ACCESS_HASH, hash(&token(9)).to_string());
        put.body(content.clone()).reply().await.status_and(201);
        let looked =
            site.request("HEAD", &wire::content(&id(n))).token(wire::ACCESS, &token(9)).reply().await;
        assert_eq!((looked.status, looked.header(wire::INFO)), (200, "AAAA"));
        assert_eq!(
            (looked.header("content-length"), looked.header(wire::SIZE)),
            (&*len.to_string(), &*len.to_string())
        );

        let claim = || site.request("PUT", &wire::claim(&id(n))).token(wire::CLAIM, &token(n));
        assert_eq!(claim().reply().await.code(), ErrorCode::DropGone, "without the access token");
        let claimed = claim().token(wire::ACCESS, &token(9)).reply().await.status_and(200);
        let claimed = wire::Claim::from_json(&claimed.body).unwrap();
        assert_eq!((claimed.size, claimed.is_final), (len as u64, false));
        assert_eq!(claimed.info.unwrap().to_string(), "AAAA");
        let read = site.read(&id(n), &token(n)).await.status_and(200);
        assert!(read.body == content);
        assert_eq!(read.header("content-type"), wire::OCTET_STREAM);
        // Again, as long as it is not confirmed.
        assert!(site.read(&id(n), &token(n)).await.body == content);
        let confirm = || site.request("POST", &wire::confirm(&id(n))).token(wire::CLAIM, &token(n)).reply();
        confirm().await.status_and(204);
        assert_eq!(confirm().await.code(), ErrorCode::DropGone);
    }
    // Nothing of the large one is left.
    soon(async {
        let bodies = site.folder.path().join("bodies");
        let is_body =
            |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_type().unwrap().is_dir();
        while std::fs::read_dir(&bodies).unwrap().any(is_body) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    site.stop().await;
}

#[tokio::test]
async fn a_claim_that_is_given_back_is_free_for_others() {
    let site = Site::start().await;
    site.put(&id(1), "secret").await.status_and(201);
    site.claim(&id(1), &token(1)).await.status_and(200);
    site.claim(&id(1), &token(1)).await.status_and(200);
    assert_eq!(site.claim(&id(1), &token(2)).await.code(), ErrorCode::DropGone);
    let back = site.request("DELETE", &wire::claim(&id(1))).token(wire::CLAIM, &token(1)).reply().await;
    back.status_and(204);
    site.claim(&id(1), &token(2)).await.status_and(200);
    assert_eq!(site.read(&id(1), &token(1)).await.code(), ErrorCode::DropGone);
    assert_eq!(site.read(&id(1), &token(2)).await.body, b"secret");
    site.stop().await;
}

#[tokio::test]
async fn a_drop_ends_at_its_time_and_by_its_creator() {
    let site = Site::start().await;
    site.putting(&id(1)).header(wire::EXPIRES_IN, "60").body("x").reply().await.status_and(201);
    site.putting(&id(2)).bearer(&token(2)).body("x").reply().await.status_and(201);
    site.clock.set(START + 60);
    assert_eq!(site.take(&id(1)).await.code(), ErrorCode::DropGone);
    let delete = |token| site.request("DELETE", &wire::transfer(&id(2))).bearer(&token).reply();
    assert_eq!(delete(token(3)).await.code(), ErrorCode::DropGone);
    delete(token(2)).await.status_and(204);
    assert_eq!(site.take(&id(2)).await.code(), ErrorCode::DropGone);
    site.stop().await;
}

#[tokio::test]
async fn a_text_can_be_had_as_bytes_and_bytes_not_as_a_text() {
    let site = Site::start().await;
    site.create(&text(id(1), "a text")).await.status_and(201);
    assert_eq!(site.take(&id(1)).await.body, b"a text");
    site.put(&id(2), "bytes").await.status_and(201);
    let refused = site.request("GET", &wire::transfer(&id(2))).header("accept", wire::JSON).reply().await;
    assert_eq!(refused.code(), ErrorCode::NotAcceptable);
    assert_eq!(site.take(&id(2)).await.body, b"bytes");
    site.stop().await;
}
