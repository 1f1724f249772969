//! The S3 server takes objects, gives parts of them, deletes them, keeps them across a crash, refuses wrong keys.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test helpers, and signatures are of now"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use servers::{PATIENCE, S3};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Now, as `20261120T154200Z`.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| {
        u64::from(year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)))
    };
    let (mut year, mut day) = (1970, days);
    while day >= 365 + leap(year) {
        day -= 365 + leap(year);
        year += 1;
    }
    let mut month = 0;
    for length in [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        month += 1;
        if day < length {
            break;
        }
        day -= length;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year}{month:02}{:02}T{hour:02}{minute:02}{:02}Z", day + 1, second % 60)
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// One signed request (AWS signature, version 4): status and body of the answer.
async fn ask(s3: &S3, secret: &str, method: &str, path: &str, range: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let (time, sum) = (now(), hex::encode(Sha256::digest(body)));
    let host = format!("127.0.0.1:{}", s3.port());
    let names = "host;x-amz-content-sha256;x-amz-date";
    let heads = format!("host:{host}\nx-amz-content-sha256:{sum}\nx-amz-date:{time}\n");
    let canonical = format!("{method}\n{path}\n\n{heads}\n{names}\n{sum}");
    let scope = format!("{}/{}/s3/aws4_request", &time[..8], S3::REGION);
    let digest = hex::encode(Sha256::digest(canonical.as_bytes()));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = keyed(&key, part);
    }
    let signature = hex::encode(keyed(&key, &format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}")));
    let credential = format!("{}/{scope}", s3.access_key());
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{}range: {range}\r\nconnection: close\r\ncontent-length: {}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}\r\n\r\n",
        heads.replace('\n', "\r\n"),
        body.len()
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(&[request.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer[end + 4..].to_vec())
}

#[tokio::test]
async fn objects_outlive_a_crash_and_end_when_they_are_deleted_or_wiped() {
    let mut s3 = S3::start().await.unwrap();
    let endpoint = s3.endpoint();
    let (secret, path) = (s3.secret_key(), format!("/{}/fruit/quince", s3.bucket()));
    assert_eq!(ask(&s3, secret, "PUT", &path, "", b"a golden apple").await.0, 200);
    assert_eq!(ask(&s3, secret, "GET", &path, "bytes=2-7", b"").await, (206, b"golden".to_vec()));

    s3.kill().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", s3.port())).await.is_err(), "still listening");
    s3.restart().await.unwrap();
    assert_eq!(s3.endpoint(), endpoint);
    assert_eq!(ask(&s3, secret, "GET", &path, "", b"").await, (200, b"a golden apple".to_vec()));
    assert_eq!(ask(&s3, secret, "DELETE", &path, "", b"").await.0, 204);
    assert_eq!(ask(&s3, secret, "GET", &path, "", b"").await.0, 404);

    assert_eq!(ask(&s3, secret, "PUT", &path, "", b"another").await.0, 200);
    s3.wipe().unwrap();
    s3.restart().await.unwrap();
    assert_eq!(ask(&s3, secret, "GET", &path, "", b"").await.0, 404);
    assert_eq!(ask(&s3, secret, "PUT", &path, "", b"a third").await.0, 200);
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let s3 = S3::start().await.unwrap();
    let (status, body) = ask(&s3, "wrong", "PUT", &format!("/{}/x", s3.bucket()), "", b"x").await;
    assert_eq!(status, 403);
    assert!(String::from_utf8_lossy(&body).contains("SignatureDoesNotMatch"));
}
