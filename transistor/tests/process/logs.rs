//! Nothing in the log says what was kept, for whom, or where somebody is.

use api::transistor as wire;
use service_kit::{
    logging::{self, LogFormat, LogSettings},
    testing::Canaries,
};

use crate::kit::{Ask as _, START, Site, bytes, hash, id, text, token};

#[tokio::test]
async fn ids_tokens_contents_and_addresses_stay_out() {
    let canaries = Canaries::new();
    let settings = LogSettings { format: LogFormat::Json, filter: "trace".to_owned() };
    let dispatch = logging::dispatch(&settings, std::io::sink, Some(canaries.layer())).unwrap();
    // For the whole process, so that tasks on other threads are heard as well; what the other tests say may not say more.
    tracing::dispatcher::set_global_default(dispatch).unwrap();

    for n in 0..8 {
        canaries.text(id(n).to_string());
        canaries.secret(id(n).as_bytes());
        canaries.secret(token(n).expose());
        canaries.secret(hash(&token(n)).as_bytes());
    }
    canaries.text("a text for nobody else");
    canaries.text("secret.txt");
    canaries.secret(&bytes(64));

    let site = Site::start().await;
    site.create(&text(id(1), "a text for nobody else")).await.status_and(201);
    let put = site.putting(&id(2)).bearer(&token(2)).header(wire::ACCESS_HASH, hash(&token(3)).to_string());
    let put = put.header(wire::UNLOCK_HASH, hash(&token(4)).to_string()).header(wire::INFO, "c2VjcmV0LnR4dA");
    put.body(bytes(200_000)).reply().await.status_and(201);
    site.take(&id(1)).await.status_and(200);
    let claim = site
        .request("PUT", &wire::claim(&id(2)))
        .token(wire::CLAIM, &token(5))
        .token(wire::ACCESS, &token(3));
    claim.try_clone().unwrap().token(wire::UNLOCK, &token(6)).reply().await.status_and(403);
    claim.token(wire::UNLOCK, &token(4)).reply().await.status_and(200);
    site.read(&id(2), &token(5)).await.status_and(200);
    let begin = site.request("POST", &wire::uploads()).header(wire::TUS_RESUMABLE, "1.0.0");
    let metadata = wire::UploadMetadata { id: Some(id(7)), ..wire::UploadMetadata::default() };
    let begin =
        begin.header(wire::UPLOAD_METADATA, format!("{},filename c2VjcmV0LnR4dA==", metadata.to_header()));
    let begun = begin.header(wire::UPLOAD_LENGTH, 10).reply().await.status_and(201);
    canaries.text(begun.header("location").rsplit('/').next().unwrap());
    let upload = begun.header("location").to_owned();
    let patch =
        site.request("PATCH", &upload).header(wire::TUS_RESUMABLE, "1.0.0").header(wire::UPLOAD_OFFSET, 4);
    patch.header("content-type", wire::OFFSET_OCTET_STREAM).body("x").reply().await.status_and(409);
    for path in ["/v1/public/transfers/a text for nobody else", "/v1/public/elsewhere/secret.txt"] {
        site.request("GET", path).reply().await;
    }
    site.take(&id(1)).await.status_and(404);
    site.clock.set(START + 100_000);
    site.take(&id(2)).await.status_and(404);
    // A place of bodies that fails says so, and not of which.
    std::fs::remove_dir_all(site.folder.path().join("bodies")).unwrap();
    std::fs::write(site.folder.path().join("bodies"), "no folder").unwrap();
    assert!(site.put(&id(6), bytes(200_000)).await.status >= 500);
    site.stop().await;

    assert!(canaries.lines() > 20, "{}", canaries.lines());
    // What clients and connections of this very process write is not the service's.
    let ours: Vec<_> = canaries
        .findings()
        .into_iter()
        .filter(|finding| {
            finding.target.starts_with("transistor") || finding.target.starts_with("service_kit")
        })
        .map(|finding| finding.to_string())
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
}
