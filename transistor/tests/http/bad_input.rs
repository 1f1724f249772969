//! Requests that are wrong, and what each is answered.

use api::{ErrorCode, transistor as wire};
use reqwest::RequestBuilder;

use crate::kit::{Ask as _, Site, hash, id, text, token};

async fn refused(request: RequestBuilder, expected: ErrorCode, what: &str) {
    let reply = request.reply().await;
    assert_eq!(reply.code(), expected, "{what}: {}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.status, expected.status(), "{what}");
    assert!(reply.problem().instance().is_some(), "{what}");
}

#[tokio::test]
async fn documents() {
    let site = Site::with(|settings| settings.drops.max_size = "64KiB".parse().unwrap()).await;
    let post = |media_type: &str, body: String| {
        site.request("POST", &wire::transfers()).header("content-type", media_type).body(body)
    };
    let with = |attributes: &str| format!(r#"{{"data":{{"type":"transfers","attributes":{attributes}}}}}"#);
    let good = with(r#"{"data":"x"}"#);
    for (media_type, body, expected) in [
        ("text/plain", good.clone(), ErrorCode::UnsupportedMediaType),
        ("application/vnd.api+json;ext=a", good.clone(), ErrorCode::UnsupportedMediaType),
        (wire::JSON, String::new(), ErrorCode::InvalidRequest),
        (wire::JSON, "nonsense".to_owned(), ErrorCode::InvalidRequest),
        (wire::JSON, good.replace("transfers", "claims"), ErrorCode::InvalidRequest),
        (wire::JSON, good.replace("transfers", "parcels"), ErrorCode::InvalidRequest),
        (wire::JSON, with("{}"), ErrorCode::InvalidRequest),
        (wire::JSON, with(r#"{"data":"x","colour":"red"}"#), ErrorCode::InvalidRequest),
        (wire::JSON, with(r#"{"data":"x","access_hash":"short"}"#), ErrorCode::InvalidRequest),
        (
            wire::JSON,
            with(&format!(r#"{{"data":"x","info":"{}"}}"#, "A".repeat(1367))),
            ErrorCode::InvalidRequest,
        ),
        (wire::JSON, with(r#"{"data":"x","expires_in":0}"#), ErrorCode::BadExpiry),
        (wire::JSON, with(r#"{"data":"x","expires_in":2592001}"#), ErrorCode::BadExpiry),
        (wire::JSON, good.replace(r#""type""#, r#""id":"1","type""#), ErrorCode::InvalidRequest),
        (
            wire::JSON,
            good.replace(r#""type""#, r#""id":"00000000-0000-0000-0000-000000000000","type""#),
            ErrorCode::InvalidRequest,
        ),
        (wire::JSON, with(&format!(r#"{{"data":"{}"}}"#, "x".repeat(70_000))), ErrorCode::PayloadTooLarge),
        (wire::JSON, with(&format!(r#"{{"data":"{}"}}"#, "x".repeat(600_000))), ErrorCode::PayloadTooLarge),
    ] {
        let what: String = body.chars().take(100).collect();
        refused(post(media_type, body), expected, &what).await;
    }
    refused(
        post(wire::JSON, good.clone()).header("authorization", "Basic QTpB"),
        ErrorCode::TokenInvalid,
        "basic",
    )
    .await;
    let no_type = site.request("POST", &wire::transfers()).body(good);
    refused(no_type, ErrorCode::UnsupportedMediaType, "no type").await;
    site.stop().await;
}

#[tokio::test]
async fn paths_and_headers() {
    let site = Site::start().await;
    for bad in ["1", "0b5e1f00111182229333444455556666", "00000000-0000-0000-0000-000000000000"] {
        for (method, rest) in [("GET", ""), ("HEAD", "/content"), ("PUT", "/claim"), ("DELETE", "")] {
            let request = site.request(method, &format!("/v1/public/transfers/{bad}{rest}"));
            let status = request.bearer(&token(1)).token(wire::CLAIM, &token(1)).reply().await.status;
            assert_eq!(status, 400, "{method} {bad}");
        }
    }
    site.put(&id(1), "x").await.status_and(201);
    let take = || site.request("GET", &wire::content(&id(1))).header("accept", wire::OCTET_STREAM);
    for name in [wire::ACCESS, wire::UNLOCK, wire::CLAIM] {
        refused(take().header(name, "short"), ErrorCode::InvalidRequest, name).await;
        refused(take().token(name, &token(1)).token(name, &token(1)), ErrorCode::InvalidRequest, name).await;
    }
    let claim = site.request("PUT", &wire::claim(&id(1)));
    refused(claim, ErrorCode::InvalidRequest, "a claim without a token").await;
    let delete = || site.request("DELETE", &wire::transfer(&id(1)));
    refused(delete(), ErrorCode::Unauthorized, "deletion without a token").await;
    refused(delete().header("authorization", "Bearer short"), ErrorCode::TokenInvalid, "deletion").await;
    refused(site.request("GET", "/v1/public/elsewhere"), ErrorCode::NotFound, "elsewhere").await;
    // All of that has left it there.
    assert_eq!(site.take(&id(1)).await.body, b"x");
    site.stop().await;
}

#[tokio::test]
async fn contents() {
    let site = Site::with(|settings| settings.drops.max_size = "100KiB".parse().unwrap()).await;
    let put = || site.putting(&id(1));
    for (name, value, expected) in [
        (wire::ACCESS_HASH, "short", ErrorCode::InvalidRequest),
        (wire::UNLOCK_HASH, "", ErrorCode::InvalidRequest),
        (wire::INFO, "=", ErrorCode::InvalidRequest),
        (wire::EXPIRES_IN, "soon", ErrorCode::InvalidRequest),
        (wire::EXPIRES_IN, "0", ErrorCode::BadExpiry),
        (wire::REPR_DIGEST, "sha-256=x", ErrorCode::InvalidRequest),
        ("content-encoding", "gzip", ErrorCode::UnsupportedMediaType),
        (
            wire::REPR_DIGEST,
            "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
            ErrorCode::DigestMismatch,
        ),
    ] {
        refused(put().header(name, value).body("x"), expected, name).await;
    }
    let text = site.request("PUT", &wire::content(&id(1))).header("content-type", "text/plain").body("x");
    refused(text, ErrorCode::UnsupportedMediaType, "text").await;
    refused(put().body(vec![0; 100 * 1024 + 1]), ErrorCode::PayloadTooLarge, "one byte too many").await;
    let endless = futures_util::stream::iter((0..1000).map(|_| Ok::<_, std::io::Error>(vec![0; 1024])));
    refused(put().body(reqwest::Body::wrap_stream(endless)), ErrorCode::PayloadTooLarge, "without a length")
        .await;
    // None of it left anything.
    assert_eq!(site.look(&id(1)).await.status, 404);
    put().body(vec![0; 100 * 1024]).reply().await.status_and(201);
    site.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    use tokio::io::AsyncWriteExt as _;

    let site = Site::start().await;
    let path = wire::content(&id(1));
    let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let creator = token(1).to_text();
    let head = format!(
        "PUT /transistor{path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\nauthorization: Bearer \
         {}\r\ncontent-length: 200000\r\n\r\n",
        *creator
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![7; 150_000]).await.unwrap();
    drop(stream);
    // The same again, whole: what was begun is in nobody's way.
    let made = site.putting(&id(1)).bearer(&token(1)).body(vec![8; 200_000]).reply().await;
    made.status_and(201);
    assert!(site.take(&id(1)).await.body == vec![8; 200_000]);
    site.stop().await;
}

#[tokio::test]
async fn uploads() {
    let site = Site::with(|settings| settings.drops.max_size = "100KiB".parse().unwrap()).await;
    let begin = || site.request("POST", &wire::uploads()).header(wire::TUS_RESUMABLE, "1.0.0");
    let sized = || begin().header(wire::UPLOAD_LENGTH, "10");
    refused(begin(), ErrorCode::InvalidRequest, "no length").await;
    refused(begin().header(wire::UPLOAD_LENGTH, "-1"), ErrorCode::InvalidRequest, "length").await;
    refused(begin().header(wire::UPLOAD_LENGTH, "102401"), ErrorCode::PayloadTooLarge, "too long").await;
    refused(sized().header(wire::UPLOAD_METADATA, "id !"), ErrorCode::InvalidRequest, "metadata").await;
    refused(sized().header(wire::UPLOAD_METADATA, "expires_in MA=="), ErrorCode::BadExpiry, "expiry").await;
    refused(sized().header("content-type", "text/plain").body("x"), ErrorCode::UnsupportedMediaType, "type")
        .await;
    for version in ["0.2.2", "1.0.0, 1.0.0", ""] {
        let request = site.request("POST", &wire::uploads()).header(wire::TUS_RESUMABLE, version);
        let reply = request.header(wire::UPLOAD_LENGTH, "1").reply().await;
        assert_eq!((reply.status, reply.code()), (412, ErrorCode::TusVersion), "{version}");
        assert_eq!((reply.header(wire::TUS_VERSION), reply.header(wire::TUS_RESUMABLE)), ("1.0.0", "1.0.0"));
    }
    let begun = sized().reply().await.status_and(201);
    let upload = begun.header("location").to_owned();
    let patch = || {
        let request = site.request("PATCH", &upload).header(wire::TUS_RESUMABLE, "1.0.0");
        request.header("content-type", wire::OFFSET_OCTET_STREAM)
    };
    refused(patch().body("x"), ErrorCode::InvalidRequest, "no offset").await;
    let at = |offset: &str| patch().header(wire::UPLOAD_OFFSET, offset);
    refused(at("0").header(wire::UPLOAD_CHECKSUM, "md5 AAAA").body("x"), ErrorCode::InvalidRequest, "md5")
        .await;
    let wrong = "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let reply = at("0").header(wire::UPLOAD_CHECKSUM, wrong).body("x").reply().await;
    assert_eq!((reply.status, reply.code()), (460, ErrorCode::ChecksumMismatch));
    let reply = at("3").body("x").reply().await;
    assert_eq!(
        (reply.status, reply.code(), reply.header(wire::UPLOAD_OFFSET)),
        (409, ErrorCode::UploadOffset, "0")
    );
    refused(at("0").body("more than ten"), ErrorCode::UploadBroken, "over the end").await;
    let elsewhere = wire::upload(&token(1));
    for method in ["HEAD", "PATCH", "DELETE"] {
        let request = site.request(method, &elsewhere).header(wire::TUS_RESUMABLE, "1.0.0");
        let request =
            request.header("content-type", wire::OFFSET_OCTET_STREAM).header(wire::UPLOAD_OFFSET, "0");
        assert_eq!(request.reply().await.status, 404, "{method}");
    }
    site.stop().await;
}

#[tokio::test]
async fn copies() {
    let site = Site::start().await;
    site.putting(&id(1)).bearer(&token(1)).body("x").reply().await.status_and(201);
    site.create(&text(id(2), "in the way")).await.status_and(201);
    let post = |copies: Vec<u32>| {
        let copy =
            |n| wire::CopyOf { id: id(n), access_hash: Some(hash(&token(n))), unlock_hash: None, info: None };
        let document = wire::Copies(copies.into_iter().map(copy).collect());
        let request = site.request("POST", &wire::copies(&id(1))).header("content-type", wire::JSON_API);
        request.body(document.to_json())
    };
    refused(post(vec![3]), ErrorCode::Unauthorized, "no token").await;
    refused(post(vec![3]).bearer(&token(2)), ErrorCode::DropGone, "another token").await;
    refused(post(vec![]).bearer(&token(1)), ErrorCode::InvalidRequest, "none").await;
    refused(post((10..1035).collect()).bearer(&token(1)), ErrorCode::InvalidRequest, "too many").await;
    refused(post(vec![3, 2]).bearer(&token(1)), ErrorCode::DropExists, "an id in use").await;
    assert_eq!(site.look(&id(3)).await.status, 404, "all or none");
    site.stop().await;
}
