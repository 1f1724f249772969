//! Whatever is sent, the answer is a refusal and never a failure.

use api::{ErrorCode, paths};
use axum::{body::Body, http::Request};
use proptest::prelude::*;
use rand_core::Rng;
use reqwest::Method;
use tower::ServiceExt;

use crate::kit::{Club, Site, site::rng};

#[tokio::test]
async fn random_bytes_at_every_path() {
    let site = Site::start().await;
    let mut club = site.found(120).await;
    let (group, token) = (club.group(), site.root_token(&mut club).await);
    let mailbox = "00".repeat(32);
    let valid = club.message(b"valid").bytes;
    let mut rng = rng();
    let router = site.node.router(None);
    for route in paths::ROUTES {
        let path = route.path.replace("{group}", &group.to_string()).replace("{mailbox}", &mailbox);
        for _ in 0..40 {
            let mut body = match rng.next_u32() % 3 {
                0 => valid.clone(),
                1 => br#"{"nonce":"00","expires":1,"epoch":0,"root":{},"signature":""}"#.to_vec(),
                _ => vec![0; usize::try_from(rng.next_u32() % 400).unwrap()],
            };
            for _ in 0..1 + rng.next_u32() % 8 {
                if let Some(byte) = usize::try_from(rng.next_u32()).unwrap().checked_rem(body.len()) {
                    body[byte] = u8::try_from(rng.next_u32() & 0xff).unwrap();
                }
            }
            let method = if rng.next_u32().is_multiple_of(4) {
                "PUT"
            } else if rng.next_u32().is_multiple_of(2) {
                "POST"
            } else {
                "GET"
            };
            let content_type = ["application/protobuf", "application/json", "text/plain", ""];
            let content_type = content_type[usize::try_from(rng.next_u32() % 4).unwrap()];
            let query =
                ["", "?from=x", "?epoch=-1", "?from=18446744073709551615", "?epoch=1&purpose=root", "?%00"];
            let query = query[usize::try_from(rng.next_u32() % 6).unwrap()];
            let request = Request::builder()
                .method(method)
                .uri(format!("{path}{query}"))
                .header("content-type", content_type)
                .header("authorization", token.to_authorization())
                .body(Body::from(body))
                .unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert!(response.status().as_u16() < 500, "{method} {path}{query}: {}", response.status());
        }
    }
    assert_eq!(site.measured("node_panics_total"), 0);
    site.stop().await;
}

#[tokio::test]
async fn every_changed_byte_of_a_frame_is_refused() {
    let site = Site::start().await;
    let mut club = site.pair(121).await;
    let group = club.group();
    let frames = [club.message(b"a message of some length"), club.update(1)];
    for made in &frames {
        for at in (0..made.bytes.len()).step_by(7) {
            let mut changed = made.bytes.clone();
            changed[at] ^= 1;
            let reply = site.post_bytes(&group, changed).await;
            assert!((400..500).contains(&reply.status), "{at}: {}", reply.status);
        }
        for length in (0..made.bytes.len()).step_by(11) {
            let reply = site.post_bytes(&group, made.bytes[..length].to_vec()).await;
            assert!((400..500).contains(&reply.status));
        }
    }
    for made in frames {
        // Nothing of all that has used its id.
        site.accept(&mut club, made).await;
    }
    site.stop().await;
}

#[tokio::test]
async fn failures_are_problem_documents() {
    let site = Site::start().await;
    let club = site.found(122).await;
    let frames = paths::frames(&club.group());
    let reply = site.get("/nowhere", None).await;
    assert_eq!((reply.status, reply.code()), (404, ErrorCode::NotFound));
    let reply = site.send(site.client.request(Method::DELETE, site.url(&frames))).await;
    assert_eq!((reply.status, reply.code()), (405, ErrorCode::MethodNotAllowed));
    assert!(reply.headers["allow"].to_str().unwrap().contains("POST"));
    let reply =
        site.send(site.client.post(site.url(&frames)).header("content-type", "text/plain").body("x")).await;
    assert_eq!((reply.status, reply.code()), (415, ErrorCode::UnsupportedMediaType));
    let reply = site.send(site.client.get(site.url(paths::NODE)).header("accept", "text/html")).await;
    assert_eq!((reply.status, reply.code()), (406, ErrorCode::NotAcceptable));
    let long = vec![0_u8; 600 * 1024];
    let reply = site.post_bytes(&club.group(), long).await;
    assert_eq!((reply.status, reply.code()), (413, ErrorCode::PayloadTooLarge));
    for path in [
        "/v1/group/xyz/frames",
        &frames.to_uppercase().replace("/V1/GROUP/", "/v1/group/").replace("/FRAMES", "/frames"),
    ] {
        let reply = site.get(path, None).await;
        assert_eq!((reply.status, reply.code()), (400, ErrorCode::InvalidRequest), "{path}");
    }
    // As JSON a frame is base64, and failures are JSON whatever was asked for.
    let mut other = Club::found(122).0;
    let made = other.message(b"x");
    let body = serde_json::to_vec(&api::frames::PostFrame { frame: made.bytes.clone() }).unwrap();
    let request = site.client.post(site.url(&frames)).header("content-type", "application/json");
    let reply = site.send(request.header("accept", "application/json").body(body)).await;
    let answer: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        (reply.status, &answer["receipt"]["seq"], &answer["duplicate"]),
        (200, &1.into(), &false.into())
    );
    site.stop().await;
}

#[test]
fn router_survives_anything() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let site = runtime.block_on(Site::start());
    let router = site.node.router(None);
    proptest!(ProptestConfig::with_cases(200), |(path in "/[a-z0-9/{}.%?=&-]{0,80}", body in proptest::collection::vec(any::<u8>(), 0..300))| {
        let Ok(request) = Request::post(&path).header("content-type", "application/protobuf").body(Body::from(body)) else {
            return Ok(());
        };
        let response = runtime.block_on(router.clone().oneshot(request)).unwrap();
        prop_assert!(response.status().as_u16() < 500);
    });
    runtime.block_on(site.stop());
}
