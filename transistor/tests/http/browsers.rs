//! Pages of other origins.

use api::transistor as wire;

use crate::kit::{Ask as _, Site, id};

const ORIGIN: &str = "https://app.example";

async fn asked(site: &Site, origin: &str) -> crate::kit::Reply {
    let request = site.request("OPTIONS", &wire::content(&id(1))).header("origin", origin);
    request
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "transistor-access-hash")
        .reply()
        .await
}

#[tokio::test]
async fn none_may_unless_they_are_named() {
    let site = Site::start().await;
    let reply = asked(&site, ORIGIN).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (405, ""));
    site.stop().await;
}

#[tokio::test]
async fn named_origins_may_send_and_read() {
    let site = Site::with(|settings| settings.cors.origins = vec![ORIGIN.parse().unwrap()]).await;
    let reply = asked(&site, ORIGIN).await.status_and(204);
    assert_eq!(reply.header("access-control-allow-origin"), ORIGIN);
    assert!(reply.header("access-control-allow-methods").contains("PATCH"));
    for name in [wire::ACCESS_HASH, wire::CLAIM, wire::UPLOAD_OFFSET, wire::TUS_RESUMABLE, "authorization"] {
        assert!(reply.header("access-control-allow-headers").split(", ").any(|sent| sent == name), "{name}");
    }
    let stranger = asked(&site, "https://app.example.org").await.status_and(204);
    assert_eq!(stranger.header("access-control-allow-origin"), "");

    // Failures, too: a program has to be able to read what is wrong.
    let reply = site.request("HEAD", &wire::content(&id(1))).header("origin", ORIGIN).reply().await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (404, ORIGIN));
    assert_eq!(reply.header("vary"), "origin");
    assert!(reply.header("access-control-expose-headers").contains(wire::INFO));
    // What clients of tus ask for is theirs.
    let abilities = site.request("OPTIONS", &wire::uploads()).header("origin", ORIGIN).reply().await;
    assert_eq!((abilities.status, abilities.header(wire::TUS_VERSION)), (204, "1.0.0"));
    assert!(abilities.header("access-control-expose-headers").contains(wire::TUS_EXTENSION));
    site.stop().await;
}

#[tokio::test]
async fn all_may_where_that_is_wanted() {
    let site = Site::with(|settings| settings.cors.origins = vec!["*".parse().unwrap()]).await;
    assert_eq!(
        asked(&site, "https://anybody.example").await.header("access-control-allow-origin"),
        "https://anybody.example"
    );
    site.stop().await;
}
