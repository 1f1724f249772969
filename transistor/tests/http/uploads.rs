//! Resumable uploads.

use api::{ErrorCode, transistor as wire};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::RequestBuilder;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::kit::{Ask as _, Reply, START, Site, bytes, hash, id, soon, token};

fn tus(site: &Site, method: &str, path: &str) -> RequestBuilder {
    site.request(method, path).header(wire::TUS_RESUMABLE, wire::TUS_VERSION_VALUE)
}

async fn begin(site: &Site, n: u32, len: usize) -> Reply {
    let metadata = wire::UploadMetadata {
        id: Some(id(n)),
        access_hash: Some(hash(&token(n))),
        info: Some(wire::Info::from_bytes(vec![7; 10]).unwrap()),
        expires_in: Some(7200),
        deletion_token_hash: Some(hash(&token(100))),
        ..wire::UploadMetadata::default()
    };
    // What other clients send and nobody has to know.
    let metadata = format!("filename c2VjcmV0LnR4dA==,{},filetype", metadata.to_header());
    let request = tus(site, "POST", &wire::uploads()).header(wire::UPLOAD_LENGTH, len);
    request.header(wire::UPLOAD_METADATA, metadata).reply().await.status_and(201)
}

fn patch(site: &Site, upload: &str, offset: usize, piece: &[u8]) -> RequestBuilder {
    let request = tus(site, "PATCH", upload).header("content-type", wire::OFFSET_OCTET_STREAM);
    request.header(wire::UPLOAD_OFFSET, offset).body(piece.to_vec())
}

async fn offset(site: &Site, upload: &str) -> usize {
    let reply = tus(site, "HEAD", upload).reply().await.status_and(200);
    assert_eq!(reply.header("cache-control"), "no-store");
    reply.header(wire::UPLOAD_OFFSET).parse().unwrap()
}

async fn take(site: &Site, n: u32) -> Reply {
    site.request("GET", &wire::content(&id(n))).token(wire::ACCESS, &token(n)).reply().await
}

#[tokio::test]
async fn pieces_become_a_drop() {
    let site = Site::start().await;
    let content = bytes(300_000);
    let begun = begin(&site, 1, content.len()).await;
    assert_eq!(begun.header(wire::TUS_RESUMABLE), "1.0.0");
    assert_eq!((begun.header(wire::UPLOAD_OFFSET), begun.header(wire::ID)), ("0", &*id(1).to_string()));
    assert_eq!(begun.header(wire::UPLOAD_EXPIRES), "Fri, 15 Jan 2027 09:00:00 GMT");
    let document = wire::Transfer::from_json(&begun.body).unwrap();
    assert_eq!((document.id, document.size, document.deletion_token), (id(1), 300_000, None));
    let upload = begun.header("location").to_owned();
    assert!(upload.starts_with("/transistor/v1/public/uploads/") && upload.len() == 30 + 43, "{upload}");

    let mut at = 0;
    for piece in content.chunks(90_001) {
        assert_eq!(take(&site, 1).await.code(), ErrorCode::DropGone, "not before it is whole");
        let checksum = format!("sha256 {}", STANDARD.encode(Sha256::digest(piece)));
        let reply = patch(&site, &upload, at, piece).header(wire::UPLOAD_CHECKSUM, checksum).reply().await;
        at += piece.len();
        assert_eq!((reply.status, reply.header(wire::UPLOAD_OFFSET)), (204, &*at.to_string()));
        assert_eq!(offset(&site, &upload).await, at);
    }
    let done = tus(&site, "HEAD", &upload).reply().await;
    assert_eq!((done.header(wire::UPLOAD_LENGTH), done.header(wire::UPLOAD_EXPIRES)), ("300000", ""));
    assert_eq!(done.header(wire::EXPIRES), "2027-01-15T10:00:00Z");
    assert!(take(&site, 1).await.status_and(200).body == content);
    assert_eq!(tus(&site, "HEAD", &upload).reply().await.status, 404);
    site.stop().await;
}

#[tokio::test]
async fn what_arrived_before_a_connection_broke_is_kept() {
    let site = Site::start().await;
    let content = bytes(400_000);
    let upload = begin(&site, 1, content.len()).await.header("location").to_owned();
    let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nhost: x\r\ntus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-type: \
         application/offset+octet-stream\r\ncontent-length: 400000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&content[..250_000]).await.unwrap();
    drop(stream);
    let kept = soon(async {
        loop {
            match offset(&site, &upload).await {
                250_000 => break 250_000,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    patch(&site, &upload, kept, &content[kept..]).reply().await.status_and(204);
    assert!(take(&site, 1).await.body == content);
    site.stop().await;
}

#[tokio::test]
async fn the_first_piece_can_come_with_the_beginning() {
    let site = Site::start().await;
    let create = |body: &'static str| {
        let request = tus(&site, "POST", &wire::uploads()).header(wire::UPLOAD_LENGTH, 10);
        request.header("content-type", wire::OFFSET_OCTET_STREAM).body(body)
    };
    let begun = create("01234").reply().await.status_and(201);
    assert_eq!(begun.header(wire::UPLOAD_OFFSET), "5");
    patch(&site, begun.header("location"), 5, b"56789").reply().await.status_and(204);
    let whole = create("0123456789").reply().await.status_and(201);
    assert_eq!(whole.header(wire::UPLOAD_OFFSET), "10");
    let damaged = create("0123456789").header(wire::UPLOAD_CHECKSUM, "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let damaged = damaged.reply().await.status_and(201);
    assert_eq!(damaged.header(wire::UPLOAD_OFFSET), "0", "it has begun, and this piece is not there");
    for (reply, there) in [(begun, true), (whole, true), (damaged, false)] {
        let made = wire::Transfer::from_json(&reply.body).unwrap();
        assert!(made.deletion_token.is_some());
        assert_eq!(site.take(&made.id).await.status == 200, there);
    }
    site.stop().await;
}

#[tokio::test]
async fn an_upload_ends_by_itself_and_when_it_is_told_to() {
    let site = Site::start().await;
    let [idle, ended, finished] = [(1, 10), (2, 10), (3, 5)];
    let mut uploads = Vec::new();
    for (n, len) in [idle, ended, finished] {
        let upload = begin(&site, n, len).await.header("location").to_owned();
        patch(&site, &upload, 0, b"01234").reply().await.status_and(204);
        uploads.push(upload);
    }
    for upload in &uploads[1..] {
        let reply = tus(&site, "DELETE", upload).reply().await.status_and(204);
        assert_eq!(reply.header(wire::TUS_RESUMABLE), "1.0.0");
        assert_eq!(tus(&site, "HEAD", upload).reply().await.status, 404);
    }
    assert_eq!(take(&site, 3).await.code(), ErrorCode::DropGone);
    site.clock.set(START + 3600);
    assert_eq!(patch(&site, &uploads[0], 5, b"56789").reply().await.code(), ErrorCode::DropGone);
    site.stop().await;
}

#[tokio::test]
async fn what_can_be_done_is_told() {
    let site = Site::start().await;
    for path in [wire::uploads(), wire::upload(&token(1))] {
        let reply = site.request("OPTIONS", &path).reply().await.status_and(204);
        assert_eq!(reply.header(wire::TUS_VERSION), "1.0.0");
        assert_eq!(reply.header(wire::TUS_MAX_SIZE), (16 * 1024 * 1024).to_string());
        assert_eq!(reply.header(wire::TUS_CHECKSUM_ALGORITHM), "sha256,sha1");
        let extensions = reply.header(wire::TUS_EXTENSION);
        assert_eq!(extensions, "creation,creation-with-upload,expiration,termination,checksum");
    }
    site.stop().await;
}
