//! What was erased is nowhere any more.

use std::{fs, time::Duration};

use servers::{Network, Proxy, S3};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use crate::{
    crowd::crowd,
    drop::Drop,
    service::{Records, Service, until},
};

/// How a drop can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Taken,
    Confirmed,
    Deleted,
    Expired,
}

/// Bytes that only what is to be erased holds: of the body where it is beside the record, else of the files that it is
/// sealed in, and the key that they are sealed with.
async fn canaries(service: &Service, drop: &Drop) -> Vec<Vec<u8>> {
    let files = service.bodies();
    let sealed = files.iter().map(|file| fs::read(file).unwrap()[32..64].to_vec());
    let plain = drop.body[drop.body.len() / 2..][..32].to_vec();
    if files.is_empty() {
        return vec![plain];
    }
    let options = SqliteConnectOptions::new().filename(service.database()).read_only(true);
    let mut database = options.connect().await.unwrap();
    let keys =
        sqlx::query_scalar("SELECT key FROM bodies WHERE key IS NOT NULL").fetch_all(&mut database).await;
    database.close().await.unwrap();
    let keys: Vec<Vec<u8>> = keys.unwrap();
    assert_eq!(keys.len(), 1);
    sealed.chain(keys).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_nowhere_in_the_folder_however_a_drop_ends() {
    let mut service = Service::start(Records::Sqlite, &["drops.lease=1s"]).await;
    for end in [End::Taken, End::Confirmed, End::Deleted, End::Expired] {
        for (size, killed) in [(500, false), (500, true), (300_000, false), (300_000, true)] {
            // One that stays, so that files are not just made anew.
            let other = Drop::random(600);
            other.make(service.port()).await;
            let drop = Drop::random(size);
            let making = drop.making();
            let making = if end == End::Expired { making.head("transistor-expires-in", "2") } else { making };
            assert!(making.send(service.port()).await.unwrap().is_success());
            let canaries = canaries(&service, &drop).await;
            for canary in &canaries {
                assert!(!service.holding(canary).is_empty(), "it cannot be found while it is there");
            }
            let reader = drop.reader();
            match end {
                End::Taken => assert_eq!(reader.taking().send(service.port()).await.unwrap().body, drop.body),
                End::Confirmed => {
                    assert!(reader.claims(service.port()).await);
                    assert!(reader.read(service.port(), None).await.unwrap().is_some());
                    assert!(reader.confirming().send(service.port()).await.unwrap().is_success());
                }
                End::Deleted => assert!(drop.deleting().send(service.port()).await.unwrap().is_success()),
                End::Expired => tokio::time::sleep(Duration::from_secs(2)).await,
            }
            if killed {
                service.kill();
                service.restart().await;
            }
            for canary in &canaries {
                until(&format!("erased: {end:?}, {size} bytes, killed: {killed}"), async || {
                    service.holding(canary).is_empty()
                })
                .await;
            }
            assert!(!drop.reader().claims(service.port()).await);
            assert_eq!(other.reader().taking().send(service.port()).await.unwrap().body, other.body);
        }
    }
    until("all bodies are erased", async || service.bodies().is_empty()).await;
}

/// Killed between erasing the row and erasing the body: the bucket cannot be reached when the drop is confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_erased_later_when_its_store_did_not_answer() {
    let s3 = S3::start().await.unwrap();
    let network = Proxy::start(([127, 0, 0, 1], s3.port()).into()).await.unwrap();
    let settings = s3_settings(&s3, network.port());
    let settings: Vec<_> = settings.iter().map(String::as_str).collect();
    let mut service = Service::start(Records::Sqlite, &settings).await;
    let drop = Drop::random(300_000);
    drop.make(service.port()).await;
    let objects = || crate::service::pieces(&s3.data().join(s3.bucket()));
    assert!(!objects().is_empty());
    let reader = drop.reader();
    assert!(reader.claims(service.port()).await);
    assert_eq!(reader.read(service.port(), None).await.unwrap().unwrap(), drop.body);

    network.set(Network::black_hole());
    assert!(reader.confirming().send(service.port()).await.unwrap().is_success());
    service.kill();
    assert!(!objects().is_empty(), "it was erased over a network that is not there");
    network.set(Network::clear());
    network.cut();
    service.restart().await;
    assert_eq!(crowd(&[service.port()], &drop).await, 0, "a second reader");
    until("the body is erased", async || objects().is_empty()).await;
}

pub(crate) fn s3_settings(s3: &S3, port: u16) -> Vec<String> {
    vec![
        "bodies.kind=s3".to_owned(),
        "bodies.s3.allow_http=true".to_owned(),
        format!("bodies.s3.endpoint=http://127.0.0.1:{port}"),
        format!("bodies.s3.bucket={}", s3.bucket()),
        format!("bodies.s3.region={}", S3::REGION),
        format!("bodies.s3.access_key={}", s3.access_key()),
        format!("bodies.s3.secret_key={}", s3.secret_key()),
    ]
}
