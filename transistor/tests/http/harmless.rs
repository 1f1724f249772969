//! What looks at a drop without wanting it leaves it there.

use api::{ErrorCode, transistor as wire};

use crate::kit::{Ask as _, Site, hash, id, text, token};

/// What chats, scanners and browsers send when they see a link, as far as it differs here.
const CURIOUS: &[(&str, &str)] = &[
    ("accept", "*/*"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept", "image/avif,image/webp,*/*"),
    ("user-agent", "Slackbot-LinkExpanding 1.0"),
    ("accept", "application/*"),
    ("accept", "application/json;q=0, application/octet-stream;q=0.0"),
];

#[tokio::test]
async fn nothing_is_consumed_by_looking() {
    let site = Site::start().await;
    site.create(&text(id(1), "a text")).await.status_and(201);
    site.put(&id(2), "bytes").await.status_and(201);
    for n in [1, 2] {
        for path in [wire::transfer(&id(n)), wire::content(&id(n))] {
            for _ in 0..3 {
                let looked = site.request("HEAD", &path).reply().await.status_and(200);
                assert!(looked.body.is_empty());
                assert_eq!(looked.header(wire::SIZE), if n == 1 { "6" } else { "5" });
            }
            // Without any wish at all, too.
            assert_eq!(site.request("GET", &path).reply().await.code(), ErrorCode::NotAcceptable);
            for (name, value) in CURIOUS {
                let reply = site.request("GET", &path).header(*name, *value).reply().await;
                assert_eq!(reply.code(), ErrorCode::NotAcceptable, "{name}: {value}");
            }
            for (name, value) in [
                ("sec-purpose", "prefetch"),
                ("sec-purpose", "prefetch;prerender"),
                ("purpose", "prefetch"),
                ("x-purpose", "preview"),
                ("x-moz", "prefetch"),
            ] {
                let wants = "application/json, application/octet-stream";
                let reply =
                    site.request("GET", &path).header("accept", wants).header(name, value).reply().await;
                assert_eq!(reply.code(), ErrorCode::PrefetchRefused, "{name}: {value}");
            }
            for method in ["PUT", "POST", "PATCH", "OPTIONS"] {
                let reply = site.request(method, &path).reply().await;
                assert!(matches!(reply.status, 405 | 415), "{method} {path}: {}", reply.status);
            }
        }
        let ahead = site.request("PUT", &wire::claim(&id(n))).token(wire::CLAIM, &token(1));
        let ahead = ahead.header("sec-purpose", "prefetch").reply().await;
        assert_eq!(ahead.code(), ErrorCode::PrefetchRefused);
    }
    assert_eq!(site.take(&id(1)).await.body, b"a text");
    assert_eq!(site.take(&id(2)).await.body, b"bytes");
    site.stop().await;
}

#[tokio::test]
async fn a_token_is_a_wish() {
    let site = Site::start().await;
    let put = site.putting(&id(1)).header(wire::ACCESS_HASH, hash(&token(1)).to_string());
    put.body("x").reply().await.status_and(201);
    let take = |token| site.request("GET", &wire::content(&id(1))).token(wire::ACCESS, &token).reply();
    assert_eq!(take(token(2)).await.code(), ErrorCode::DropGone);
    assert_eq!(take(token(1)).await.body, b"x");
    site.stop().await;
}

#[tokio::test]
async fn the_page_is_the_same_for_everybody_and_holds_nothing() {
    let site = Site::start().await;
    for (path, media_type) in [
        (wire::PAGE, "text/html; charset=utf-8"),
        (wire::PAGE_SCRIPT, "text/javascript; charset=utf-8"),
        (wire::PAGE_STYLE, "text/css; charset=utf-8"),
    ] {
        let reply = site.request("GET", path).header("sec-purpose", "prefetch").reply().await.status_and(200);
        assert_eq!(reply.header("content-type"), media_type);
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("cache-control"), "no-store");
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let again = site.request("GET", &format!("{path}?anything")).reply().await;
        assert_eq!(again.body, reply.body);
        let text = String::from_utf8(reply.body).unwrap();
        assert!(!text.contains("http://") && !text.contains("https://"), "{path} names another place");
    }
    site.stop().await;
}
