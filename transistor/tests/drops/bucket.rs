//! Bodies in a bucket of a real server.

use super::kit::*;
use servers::S3;
use service_kit::config::{Secret, SecretSource};
use transistor::{
    bodies::{Bodies, BodyKind, BodySettings, CheckError, S3Settings},
    drops::{Failure, Shown},
};

fn settings(server: &S3, secret: &str) -> S3Settings {
    S3Settings {
        endpoint: Some(server.endpoint()),
        bucket: server.bucket().to_owned(),
        region: S3::REGION.to_owned(),
        access_key: Some(server.access_key().to_owned()),
        secret_key: Some(SecretSource::Inline(Secret::new(secret.to_owned()))),
        allow_http: true,
        ..S3Settings::default()
    }
}

async fn rig(server: &S3) -> Rig {
    let s3 = settings(server, server.secret_key());
    Rig::with(|_, bodies| (bodies.kind, bodies.s3) = (BodyKind::S3, s3)).await
}

fn objects(server: &S3) -> usize {
    files(&server.data().join(server.bucket())).len()
}

#[tokio::test]
async fn a_bucket_is_as_good_as_a_folder() {
    let server = S3::start().await.unwrap();
    let mut rig = rig(&server).await;
    rig.sweep();
    let content = content(12_345);
    rig.outside(id(1), &content).await;
    assert_eq!(objects(&server), 13);
    let claim = rig.claim(id(1), 1).await.unwrap();
    assert_eq!(rig.read(id(1), &claim).await, content);
    rig.drops.confirm(id(1), &claim).await.unwrap();
    until("the objects to be removed", async || objects(&server) == 0).await;

    let upload = rig.drops.begin(new(id(2)), 12_345).await.unwrap().upload;
    rig.drops.append(&upload, 0, None, broken(&content[..4321])).await.unwrap_err();
    assert!(rig.drops.append(&upload, 4321, None, body(&content[4321..])).await.unwrap().complete);
    let taken = rig.drops.take(id(2), &Shown::default(), false).await.unwrap();
    assert_eq!(all(taken).await.unwrap(), content);
    until("the objects to be removed", async || objects(&server) == 0).await;
    rig.end().await;
}

#[tokio::test]
async fn orphans_of_a_bucket_are_found_and_others_left_alone() {
    let server = S3::start().await.unwrap();
    let mut rig = rig(&server).await;
    rig.outside(id(1), &content(3000)).await;
    let bucket = server.data().join(server.bucket());
    for n in 0..700 {
        let orphan = bucket.join(format!("{n:032x}"));
        std::fs::create_dir(&orphan).unwrap();
        std::fs::write(orphan.join(format!("{n:032x}")), b"x").unwrap();
    }
    std::fs::write(bucket.join("readme"), b"x").unwrap();
    assert_eq!(objects(&server), 704);
    // Long enough for objects, not for the drop.
    rig.clock.advance(std::time::Duration::from_secs(3600 + 60));
    rig.sweep();
    until("the orphans to go", async || objects(&server) == 4).await;
    let claim = rig.claim(id(1), 1).await.unwrap();
    assert_eq!(rig.read(id(1), &claim).await, content(3000));
    rig.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_at_the_start() {
    let mut server = S3::start().await.unwrap();
    let open =
        |s3| Bodies::open(&BodySettings { kind: BodyKind::S3, s3, ..BodySettings::default() }).unwrap();
    let good = settings(&server, server.secret_key());
    open(good.clone()).check().await.unwrap();
    assert_eq!(objects(&server), 0, "the probe was removed");
    let refused = open(settings(&server, "wrong")).check().await;
    assert!(matches!(refused, Err(CheckError::Refused)), "{refused:?}");
    let missing = open(S3Settings { bucket: "missing".to_owned(), ..good.clone() }).check().await;
    assert!(matches!(missing, Err(CheckError::NoBucket)), "{missing:?}");
    server.kill().unwrap();
    let unreachable = open(good).check().await;
    assert!(matches!(unreachable, Err(CheckError::Unreachable(_))), "{unreachable:?}");
}

#[tokio::test]
async fn nothing_is_half_kept_and_nothing_lost_while_the_server_is_down() {
    let mut server = S3::start().await.unwrap();
    let mut rig = rig(&server).await;
    let content = content(3500);
    rig.outside(id(1), &content).await;
    let upload = rig.drops.begin(new(id(2)), 3500).await.unwrap().upload;
    rig.drops.append(&upload, 0, None, broken(&content[..1200])).await.unwrap_err();

    // In the middle of a body.
    let (sender, open) = channel();
    let receiving = tokio::spawn({
        let drops = rig.drops.clone();
        async move { drops.receive(new(id(3)), None, None, open).await }
    });
    sender.send(Ok(content[..1500].to_vec().into())).await.unwrap();
    until("a piece of it", async || objects(&server) == 4 + 2 + 1).await;
    server.kill().unwrap();
    sender.send(Ok(content[1500..].to_vec().into())).await.unwrap();
    assert_eq!(receiving.await.unwrap().unwrap_err(), Failure::StorageUnavailable);
    assert!(rig.is_gone(id(3)).await);

    let failed = rig.drops.append(&upload, 1200, None, body(&content[1200..])).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    let failed = rig.drops.take(id(1), &Shown::default(), false).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    assert!(!rig.is_gone(id(1)).await, "nothing of it was sent");
    rig.sweep();
    until("the sweeper to have tried", async || {
        rig.metric("transistor_storage_failures_total{place=\"bodies\"}") > 3
    })
    .await;

    server.restart().await.unwrap();
    assert!(rig.drops.append(&upload, 1200, None, body(&content[1200..])).await.unwrap().complete);
    for n in [1, 2] {
        let taken = rig.drops.take(id(n), &Shown::default(), false).await.unwrap();
        assert_eq!(all(taken).await.unwrap(), content);
    }
    until("everything to be removed", async || objects(&server) == 0).await;
    until("and forgotten", async || rig.usage().await == transistor::store::Usage::default()).await;
    rig.end().await;
    assert_log_is_discreet(server.secret_key());
}
