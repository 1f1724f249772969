//! What one client may do, and that another does not pay for it.

use api::{ErrorCode, transistor as wire};
use service_kit::limiter::Quota;

use crate::kit::{Ask as _, Site, bytes, id, text};

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
