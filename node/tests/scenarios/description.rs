//! What the node says of itself is what it does.

use std::collections::BTreeSet;

use api::{
    ErrorCode, NodeInfo,
    paths::{self, Access, Method},
};

use crate::kit::{START, Site, club::keys};

#[tokio::test]
async fn description_and_router_are_the_same_routes() {
    let site = Site::start().await;
    let reply = site.get(paths::OPENAPI, None).await;
    let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], site.node.origin().as_str());
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    let name = |method: Method| match method {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let listed: BTreeSet<_> =
        paths::ROUTES.iter().map(|route| (name(route.method).to_owned(), route.path.to_owned())).collect();
    assert_eq!(described, listed);

    // The router answers exactly these.
    let id = "00".repeat(32);
    for path in listed.iter().map(|(_, path)| path).collect::<BTreeSet<_>>() {
        let url = site.url(&path.replace("{group}", &id).replace("{mailbox}", &id));
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let reply = site.send(site.client.request(method.parse().unwrap(), &url)).await;
            let known = listed.contains(&(method.to_owned(), path.clone()));
            assert_eq!(reply.status != 405, known, "{method} {path}: {}", reply.status);
            assert!(reply.status != 404 || reply.code() != ErrorCode::NotFound, "{method} {path}");
            let needs_token = paths::ROUTES.iter().any(|route| {
                route.path == path && name(route.method) == method && route.access == Access::Token
            });
            if needs_token {
                assert_eq!(reply.code(), ErrorCode::Unauthorized, "{method} {path}");
            }
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn pages_for_people() {
    let site = Site::start().await;
    for path in ["/docs", "/docs/errors"] {
        let reply = site.get(path, None).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8");
        let policy = reply.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
    }
    site.stop().await;
}

#[tokio::test]
async fn node_info_and_health() {
    let site = Site::start().await;
    let info: NodeInfo = site.get(paths::NODE, None).await.decode();
    assert_eq!((info.node, info.time.get()), (site.node.id(), START));
    assert_eq!(&info.origin, site.node.origin());
    assert_eq!(info.params, [keys().params_hash()]);
    assert!(info.development_keys);
    assert_eq!(site.get(paths::LIVE, None).await.status, 204);
    crate::kit::site::soon(async {
        while site.get(paths::READY, None).await.status != 204 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let metrics = site.get(paths::METRICS, None).await;
    assert!(String::from_utf8(metrics.body).unwrap().contains("node_followers 0"));
    // With a listener for operators, measurements are theirs alone.
    let request = axum::http::Request::get(paths::METRICS).body(axum::body::Body::empty()).unwrap();
    let reply = tower::ServiceExt::oneshot(site.node.router(None), request).await.unwrap();
    assert_eq!(reply.status(), 404);
    for path in [paths::METRICS, paths::LIVE] {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let router = site.node.operators_router(site.exposition.clone());
        assert!(tower::ServiceExt::oneshot(router, request).await.unwrap().status().is_success());
    }
    site.stop().await;
}
