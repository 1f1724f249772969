//! What the service says of itself is what it does.

use std::collections::BTreeSet;

use api::{ErrorCode, transistor as wire};

use crate::kit::{Ask as _, Site, id, token};

#[tokio::test]
async fn description_and_router_are_the_same_routes() {
    let site = Site::start().await;
    let reply = site.request("GET", wire::DESCRIPTION).reply().await.status_and(200);
    assert_eq!(reply.header("content-type"), "application/json");
    let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            described.insert((method.to_uppercase(), path.clone()));
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.keys().all(|status| status == "default" || status.parse::<u16>().is_ok()));
            // As the format has it: every parameter of the path is declared, and needed.
            for part in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let declared = operation["parameters"].as_array().unwrap().iter();
                assert!(
                    declared.clone().any(|p| p["name"] == part && p["in"] == "path" && p["required"] == true)
                );
            }
        }
    }
    let upload = token(1).to_text();
    for path in described.iter().map(|(_, path)| path).collect::<BTreeSet<_>>() {
        let asked = path.replace("{id}", &id(1).to_string()).replace("{upload}", &upload);
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            let request = site.request(method, &asked).header(wire::TUS_RESUMABLE, "1.0.0");
            let reply = request.reply().await;
            let known = described.contains(&(method.to_owned(), path.clone()))
                // What is only shown answers `HEAD` by itself.
                || (method == "HEAD" && !path.contains("/v1/"));
            assert_eq!(reply.status != 405, known, "{method} {path}: {}", reply.status);
            if reply.status == 404 && method != "HEAD" {
                assert_ne!(reply.code(), ErrorCode::NotFound, "{method} {path}");
            }
        }
    }
    site.stop().await;
}

#[tokio::test]
async fn requests_are_measured_by_route_and_by_nothing_else() {
    let site = Site::start().await;
    site.put(&id(1), "x").await.status_and(201);
    assert_eq!(site.take(&id(1)).await.body, b"x");
    let text = site.metrics.render();
    let counted =
        format!("transistor_http_requests_total{{route=\"{}\",status=\"success\"}} 2", wire::CONTENT);
    assert!(text.contains(&counted), "{text}");
    assert!(!text.contains(&id(1).to_string()) && !text.contains("127.0.0.1"));
    site.stop().await;
}
