//! Places that cannot be gone on from are told at once, whatever the server would do with them.

use frame_log::{Place, SourceError, SourceItem, conformance::group};
use mongodb::bson::{Binary, Bson, Document, spec::BinarySubtype};
use servers::{Mongo, MongoJava};

use crate::support::{Bench, next, next_record, refusal};

/// Who restores a database or loses its oplog has places nobody can go on from.
#[tokio::test]
async fn a_place_from_before_the_history_is_lost() {
    let mut server = MongoJava::start().await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    let start = bench.source.now().await.unwrap();
    bench.append(&group(1), 0, 0..3).await;
    let mut stream = bench.open(&start).await;
    let (_, _, place) = next_record(&mut stream).await;
    server.restart().await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    for dead in [start, place] {
        assert_eq!(refusal(&*bench.source, &dead).await, SourceError::Lost);
    }
}

/// A server given such a token waits in silence for its clock to come so far, and never shows what happened meanwhile.
#[tokio::test]
async fn a_place_from_the_future_is_lost() {
    let server = MongoJava::start().await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    bench.append(&group(1), 0, 0..3).await;
    let place = bench.source.now().await.unwrap();
    let mut token = Document::from_reader(&place.as_bytes()[1..]).unwrap();
    let Some(Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })) = token.get_mut("_data") else {
        panic!("a place is a kind and a token")
    };
    let ahead = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) + 1;
    bytes[1..5].copy_from_slice(&ahead.to_be_bytes());
    let mut future = vec![place.as_bytes()[0]];
    token.to_writer(&mut future).unwrap();
    assert_eq!(refusal(&*bench.source, &Place::new(future).unwrap()).await, SourceError::Lost);
    // The present is not the future.
    assert_eq!(next(&mut bench.open(&place).await).await.unwrap().item, SourceItem::Idle);
}

/// A database may become a replica set, or be moved to one.
#[tokio::test]
async fn the_places_of_each_kind_are_lost_to_the_other() {
    let (standalone, set) = tokio::join!(Mongo::start(), MongoJava::start());
    let (standalone, set) = (standalone.unwrap(), set.unwrap());
    let [standalone, set] = [Bench::of(&standalone.uri()).await, Bench::of(&set.uri()).await];
    let (polled, streamed) = (standalone.source.now().await.unwrap(), set.source.now().await.unwrap());
    assert_eq!(refusal(&*standalone.source, &streamed).await, SourceError::Lost);
    assert_eq!(refusal(&*set.source, &polled).await, SourceError::Lost);
}

/// A standalone server gives times by its own clock, which may have gone back while it was down.
#[tokio::test]
async fn a_place_does_not_outlive_a_standalone_server() {
    let mut server = Mongo::start().await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    let start = bench.source.now().await.unwrap();
    bench.append(&group(1), 0, 0..3).await;
    let mut stream = bench.open(&start).await;
    next_record(&mut stream).await;
    server.restart().await.unwrap();
    // A connection from before may break first.
    let mut refused = SourceError::Unavailable;
    while refused == SourceError::Unavailable {
        refused = refusal(&*bench.source, &start).await;
    }
    assert_eq!(refused, SourceError::Lost);
    // A stream that is open notices, too, though the driver finds the server again by itself.
    let ended = loop {
        if let Err(error) = next(&mut stream).await {
            break error;
        }
    };
    assert!(matches!(ended, SourceError::Lost | SourceError::Unavailable), "{ended}");
}

/// The log is gone: whoever follows it has to look what there is.
#[tokio::test]
async fn a_dropped_collection_ends_the_stream() {
    let server = MongoJava::start().await.unwrap();
    let bench = Bench::of(&server.uri()).await;
    let start = bench.source.now().await.unwrap();
    let mut stream = bench.open(&start).await;
    bench.append(&group(1), 0, 0..1).await;
    next_record(&mut stream).await;
    bench.documents.drop().await.unwrap();
    let ended = loop {
        match next(&mut stream).await {
            Ok(step) => assert_eq!(step.item, SourceItem::Idle),
            Err(error) => break error,
        }
    };
    assert_eq!(ended, SourceError::Lost);
}
