//! What one client may do, and that another does not pay for it.

use api::{ErrorCode, transistor as wire};
use service_kit::limiter::Quota;
use tokio::io::AsyncReadExt as _;

use crate::kit::{Ask as _, PATIENCE, Reply, Site, bytes, hash, id, soon, text, token};

#[tokio::test]
async fn requests_and_drops_are_counted() {
    let site = Site::with(|settings| {
        settings.rates.requests = Quota { per_minute: 1, burst: 6 };
        settings.rates.drops = Quota { per_minute: 1, burst: 2 };
    })
    .await;
    for n in 1..=2 {
        site.create(&text(id(n), "x")).await.status_and(201);
    }
    for _ in 0..2 {
        let refused = site.put(&id(3), "x").await.problem();
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        assert!((1..=61).contains(&refused.retry_after().unwrap()), "{refused:?}");
    }
    // Reading is no making.
    assert_eq!(site.take(&id(1)).await.body, b"x");
    assert_eq!(site.take(&id(1)).await.code(), ErrorCode::DropGone);
    let refused = site.take(&id(2)).await;
    assert_eq!(refused.code(), ErrorCode::RateLimited);
    assert!(!refused.header("retry-after").is_empty());
    // What is not answered from the store is free.
    assert_eq!(site.request("GET", wire::PAGE).reply().await.status, 200);
    site.stop().await;
}

#[tokio::test]
async fn bytes_are_counted_as_they_come() {
    let site = Site::with(|settings| settings.rates.kilobytes = Quota { per_minute: 1, burst: 300 }).await;
    site.put(&id(1), bytes(200 * 1024)).await.status_and(201);
    let refused = site.put(&id(2), bytes(200 * 1024)).await.problem();
    assert_eq!(refused.code(), ErrorCode::QuotaExceeded);
    assert!(refused.retry_after().unwrap() > 1, "{refused:?}");
    assert_eq!(site.look(&id(2)).await.status, 404, "whole or not at all");
    assert_eq!(site.create(&text(id(3), &"x".repeat(150_000))).await.code(), ErrorCode::QuotaExceeded);
    site.stop().await;
}

#[tokio::test]
async fn an_upload_keeps_what_was_paid_for() {
    let site = Site::with(|settings| settings.rates.kilobytes = Quota { per_minute: 1, burst: 300 }).await;
    let request = site.request("POST", &wire::uploads()).header(wire::TUS_RESUMABLE, "1.0.0");
    let begun = request.header(wire::UPLOAD_LENGTH, 500 * 1024).reply().await.status_and(201);
    let upload = begun.header("location");
    let request =
        site.request("PATCH", upload).header(wire::TUS_RESUMABLE, "1.0.0").header(wire::UPLOAD_OFFSET, 0);
    let refused =
        request.header("content-type", wire::OFFSET_OCTET_STREAM).body(bytes(500 * 1024)).reply().await;
    assert_eq!(refused.code(), ErrorCode::QuotaExceeded);
    let progress =
        site.request("HEAD", upload).header(wire::TUS_RESUMABLE, "1.0.0").reply().await.status_and(200);
    let offset: usize = progress.header(wire::UPLOAD_OFFSET).parse().unwrap();
    assert!((1..=300 * 1024).contains(&offset), "{offset}");
    site.stop().await;
}

#[tokio::test]
async fn one_client_cannot_hold_all_places() {
    let site = Site::with(|settings| settings.rates.bodies = 2).await;
    for n in 1..=4 {
        let made = site.put(&id(n), bytes(8 * 1024 * 1024)).await.status_and(201);
        assert!(!made.header("content-length").is_empty(), "holding a place costs no answer its length");
    }
    // Two that take nothing of what they are sent.
    let claimed = [site.stuck_reader(&id(1)).await, site.stuck_reader(&id(2)).await];
    let refused = site.take(&id(3)).await;
    assert_eq!(refused.code(), ErrorCode::Busy);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(site.look(&id(3)).await.status, 200, "asking needs no place, and nothing was consumed");
    drop(claimed);
    // The server notices by itself that they are gone.
    for _ in 0..500 {
        if site.take(&id(3)).await.status == 200 {
            return site.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the places did not come back");
}

/// Makes drops until the answer is this one.
async fn until_made_is(site: &Site, numbers: core::ops::Range<u32>, status: u16) {
    let started = std::time::Instant::now();
    for n in numbers {
        let reply = site.create(&text(id(n), "x")).await;
        if reply.status == status {
            if status == 503 {
                assert_eq!(reply.code(), ErrorCode::Busy);
                assert!(!reply.header("retry-after").is_empty());
            }
            return;
        }
        assert!(started.elapsed() < PATIENCE, "still {}", reply.status);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("never {status}");
}

#[tokio::test]
async fn documents_take_places_of_a_client_and_of_the_service() {
    for (bodies, places) in [(2, 2), (4096, 64)] {
        let site = Site::with(|settings| settings.rates.bodies = bodies).await;
        let mut stuck = Vec::new();
        for _ in 0..places {
            stuck.push(site.stuck_sender().await);
        }
        until_made_is(&site, 0..1000, 503).await;
        assert_eq!(site.look(&id(2000)).await.status, 404, "asking needs no place");
        drop(stuck);
        until_made_is(&site, 1000..2000, 201).await;
        site.stop().await;
    }
}

#[tokio::test]
async fn who_may_make_no_more_need_not_send_it() {
    let site = Site::with(|settings| settings.rates.drops = Quota { per_minute: 1, burst: 1 }).await;
    site.create(&text(id(1), "x")).await.status_and(201);
    let mut sender = site.stuck_sender().await;
    let mut begin = [0; 12];
    soon(sender.read_exact(&mut begin)).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 429");
    drop(sender);
    site.stop().await;
}

async fn share(site: &Site, copies: u32) -> Reply {
    let copies = (1..=copies).map(|n| wire::CopyOf {
        id: id(n),
        access_hash: Some(hash(&token(n))),
        unlock_hash: None,
        info: Some(wire::Info::from_bytes(vec![7; 1024]).unwrap()),
    });
    let request = site.request("POST", &wire::copies(&id(0))).bearer(&token(0));
    let document = wire::Copies(copies.collect()).to_json();
    request.header("content-type", wire::JSON_API).body(document).reply().await
}

#[tokio::test]
async fn copies_are_paid_for() {
    let site = Site::with(|settings| settings.rates.drops = Quota { per_minute: 1, burst: 10 }).await;
    site.putting(&id(0)).bearer(&token(0)).body("x").reply().await.status_and(201);
    for _ in 0..2 {
        share(&site, 50).await.status_and(204);
    }
    assert_eq!(share(&site, 50).await.code(), ErrorCode::RateLimited, "1, 4, 4: not 4 more");
    site.stop().await;

    // As many as there can be are never too many for somebody who waits.
    let site = Site::with(|settings| settings.rates.drops = Quota { per_minute: 60_000, burst: 3 }).await;
    site.putting(&id(0)).bearer(&token(0)).body("x").reply().await.status_and(201);
    for _ in 0..500 {
        if share(&site, 1024).await.status == 204 {
            return site.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("never enough");
}

#[tokio::test]
async fn a_document_of_copies_is_paid_by_its_length() {
    let site = Site::with(|settings| settings.rates.kilobytes = Quota { per_minute: 1, burst: 300 }).await;
    site.putting(&id(0)).bearer(&token(0)).body("x").reply().await.status_and(201);
    share(&site, 100).await.status_and(204);
    assert_eq!(share(&site, 1024).await.code(), ErrorCode::QuotaExceeded);
    site.stop().await;
}

#[tokio::test]
async fn a_text_is_no_longer_than_a_piece() {
    let site = Site::start().await;
    let refused = site.create(&text(id(1), &"x".repeat(64 * 1024 + 1))).await;
    assert_eq!((refused.status, refused.code()), (413, ErrorCode::PayloadTooLarge));
    let longest = "x".repeat(64 * 1024);
    site.create(&text(id(1), &longest)).await.status_and(201);
    let request = site.request("GET", &wire::transfer(&id(1))).header("accept", wire::JSON_API);
    let taken = request.reply().await.status_and(200);
    assert_eq!(wire::Transfer::from_json(&taken.body).unwrap().text, Some(longest));
    site.stop().await;
}
