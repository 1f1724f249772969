//! Downloads that go on where they broke off.

use api::{ErrorCode, transistor as wire};

use crate::kit::{Ask as _, Site, bytes, id, token};

#[tokio::test]
async fn one_range_is_answered_as_http_has_it() {
    let site = Site::start().await;
    let content = bytes(300_000);
    site.put(&id(1), content.clone()).await.status_and(201);
    site.claim(&id(1), &token(1)).await.status_and(200);
    let read = |headers: Vec<(&'static str, String)>| {
        let request = site.request("GET", &wire::content(&id(1))).token(wire::CLAIM, &token(1));
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value)).reply()
    };
    let range = |value: &str| vec![("range", value.to_owned())];
    let whole = read(vec![]).await.status_and(200);
    assert_eq!((whole.header("content-length"), whole.header("accept-ranges")), ("300000", "bytes"));
    let etag = whole.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() == 34, "{etag}");

    for (asked, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=65535-65536", 65_535, 65_536),
        ("bytes=100000-", 100_000, 299_999),
        ("bytes=-1", 299_999, 299_999),
        ("bytes=-999999", 0, 299_999),
        ("bytes=299999-400000", 299_999, 299_999),
    ] {
        let part = read(range(asked)).await.status_and(206);
        assert!(part.body == content[first..=last], "{asked}");
        assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/300000"));
        assert_eq!(part.header("content-length"), (last - first + 1).to_string());
        assert_eq!(part.header("etag"), etag);
    }
    for asked in ["bytes=0-1,5-6", "lines=0-1", "bytes=2-1", "nonsense"] {
        assert!(read(range(asked)).await.status_and(200).body == content, "{asked}");
    }
    let past = read(range("bytes=300000-")).await;
    assert_eq!((past.status, past.code()), (416, ErrorCode::RangeNotSatisfiable));
    assert_eq!(past.header("content-range"), "bytes */300000");

    let conditional = |tag: &str| vec![("range", "bytes=1-2".to_owned()), ("if-range", tag.to_owned())];
    assert_eq!(read(conditional(&etag)).await.status_and(206).body, content[1..=2]);
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    for other in ["\"00000000000000000000000000000000\"", &format!("W/{etag}"), date, "nonsense"] {
        assert_eq!(read(conditional(other)).await.status_and(200).body.len(), 300_000, "{other}");
    }
    site.stop().await;
}

#[tokio::test]
async fn without_a_claim_everything_is_taken() {
    let site = Site::start().await;
    site.put(&id(1), "0123456789").await.status_and(201);
    let request = site.request("GET", &wire::content(&id(1))).header("accept", wire::OCTET_STREAM);
    let taken = request.header("range", "bytes=0-0").reply().await.status_and(200);
    assert_eq!(taken.body, b"0123456789");
    site.stop().await;
}
