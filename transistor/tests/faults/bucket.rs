//! Bodies in a bucket: a real S3 server, which goes away and comes back.

use servers::S3;

use crate::{
    drop::Drop,
    erased::s3_settings,
    service::{Records, Service, pieces, until},
};

async fn on(s3: &S3, more: &[&str]) -> Service {
    let settings = s3_settings(s3, s3.port());
    let settings: Vec<_> = settings.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Service::start(Records::Sqlite, &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn any_part_of_a_body_can_be_read_and_the_end_of_it_leaves_no_object() {
    let s3 = S3::start().await.unwrap();
    let service = on(&s3, &["bodies.segment=64KiB", "drops.max_size=16MiB"]).await;
    let objects = || pieces(&s3.data().join(s3.bucket()));
    let drop = Drop::random(300_000);
    drop.make(service.port()).await;
    assert_eq!(objects().len(), 5);
    assert!(!objects().iter().any(|file| {
        let bytes = std::fs::read(file).unwrap();
        memchr::memmem::find(&bytes, &drop.body[1000..1032]).is_some()
    }));
    let reader = drop.reader();
    assert!(reader.claims(service.port()).await);
    for range in [0..1, 65_535..65_537, 65_536..131_072, 100..299_999, 299_999..300_000] {
        let part = reader.read(service.port(), Some(range.clone())).await.unwrap().unwrap();
        assert!(part == drop.body[range.clone()], "{range:?}");
    }
    assert!(reader.read(service.port(), None).await.unwrap().unwrap() == drop.body);
    assert!(reader.confirming().send(service.port()).await.unwrap().is_success());
    until("all objects are erased", async || objects().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_away_costs_nobody_a_drop() {
    let mut s3 = S3::start().await.unwrap();
    let service = on(&s3, &["drops.lease=10m"]).await;
    let (kept, small) = (Drop::random(300_000), Drop::random(300));
    kept.make(service.port()).await;
    let reader = kept.reader();
    assert!(reader.claims(service.port()).await);
    s3.kill().unwrap();

    let refused = Drop::random(300_000);
    let answer = refused.making().send(service.port()).await.unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (503, "storage_unavailable"));
    assert!(!refused.reader().claims(service.port()).await, "half of it is there");
    // What stands in the database needs no bucket.
    small.make(service.port()).await;
    assert!(small.reader().taking().send(service.port()).await.unwrap().body == small.body);
    // Refused from the start, or broken off.
    if let Ok(answer) = reader.reading(None).send(service.port()).await {
        assert!(answer.status >= 500 || answer.body.len() < kept.body.len());
    }

    s3.restart().await.unwrap();
    assert!(reader.read(service.port(), None).await.unwrap().unwrap() == kept.body);
    refused.make(service.port()).await;
    assert!(refused.reader().taking().send(service.port()).await.unwrap().body == refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_bucket_is_said_at_the_start() {
    let s3 = S3::start().await.unwrap();
    for (setting, words) in [
        ("bodies.s3.secret_key=wrong", "refuse"),
        ("bodies.s3.bucket=elsewhere", "bucket"),
        ("bodies.s3.endpoint=http://127.0.0.1:1", "does not answer"),
    ] {
        let mut settings = s3_settings(&s3, s3.port());
        settings.push(setting.to_owned());
        let settings: Vec<_> = settings.iter().map(String::as_str).collect();
        let error = Service::try_start(Records::Sqlite, &settings).await.unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains(words), "{setting}: {said}");
        assert!(!said.contains(s3.secret_key()) && !said.contains("panicked"), "{said}");
    }
}
