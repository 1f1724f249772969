//! Database and folder that go away.

use super::kit::*;
use transistor::{
    bodies::{Bodies, BodySettings, CheckError},
    drops::{DropSettings, Failure, Shown},
    store::StoreId,
};

#[tokio::test]
async fn nothing_is_half_kept_and_nothing_lost_while_the_folder_is_away() {
    let mut rig = Rig::new().await;
    let content = content(3500);
    rig.outside(id(1), &content).await;
    rig.outside(id(2), &content).await;
    let upload = rig.drops.begin(new(id(3)), 3500).await.unwrap().upload;
    let _ = rig.drops.append(&upload, 0, None, broken(&content[..1200])).await;
    rig.drops.delete(id(2), &token(b'd')).await.unwrap();

    // Small, and outside all the same.
    let small = rig.drops.begin(new(id(6)), 10).await.unwrap().upload;
    assert!(rig.drops.append(&small, 0, None, body(&content[..10])).await.unwrap().complete);

    let away = rig.folder.path().join("away");
    std::fs::rename(rig.bodies(), &away).unwrap();
    rig.sweep();
    let failed = rig.drops.receive(new(id(4)), None, None, body(&content)).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    assert!(rig.is_gone(id(4)).await);
    let failed = rig.drops.append(&upload, 1200, None, body(&content[1200..])).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    assert_eq!(rig.drops.progress(&upload).await.unwrap().offset, 1200);
    for n in [1, 6] {
        let failed = rig.drops.take(id(n), &Shown::default(), false).await;
        assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
        assert!(!rig.is_gone(id(n)).await, "nothing of it was sent");
    }
    let claim = rig.claim(id(1), 1).await.unwrap();
    let failed = rig.drops.read(id(1), &claim, None, None).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    let small = rig.drops.create(new(id(5)), "small".into(), false).await.unwrap();
    assert_eq!(small.view.size, 5, "what needs no folder works");
    assert!(!rig.bodies().exists(), "nothing was written past it");
    until("the sweeper to have tried", async || {
        rig.metric("transistor_storage_failures_total{place=\"bodies\"}") > 4
    })
    .await;
    assert!(rig.usage().await.to_erase > 0, "and to have forgotten nothing");

    std::fs::rename(&away, rig.bodies()).unwrap();
    assert!(rig.drops.append(&upload, 1200, None, body(&content[1200..])).await.unwrap().complete);
    assert_eq!(rig.read(id(1), &claim).await, content);
    rig.drops.confirm(id(1), &claim).await.unwrap();
    for (n, content) in [(3, &content[..]), (6, &content[..10])] {
        let taken = rig.drops.take(id(n), &Shown::default(), false).await.unwrap();
        assert_eq!(all(taken).await.unwrap(), content);
    }
    until("all bodies to be removed", async || rig.objects().is_empty()).await;
    until("and forgotten", async || rig.usage().await.to_erase == 0).await;
    assert_eq!(rig.metric("transistor_pieces_in_memory"), 0);
    rig.end().await;
    assert_log_is_discreet("away");
}

#[tokio::test]
async fn a_database_that_does_not_answer_leaves_nothing_behind() {
    let mut rig = Rig::new().await;
    let content = content(3500);
    let failed = {
        rig.store.set(Fault::Finish);
        rig.drops.receive(new(id(1)), Some(3500), None, body(&content)).await
    };
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    rig.store.set(Fault::AppendBefore);
    let failed = rig.drops.receive(new(id(1)), Some(3500), None, body(&content)).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    rig.store.set(Fault::AppendAfter);
    let failed = rig.drops.receive(new(id(1)), Some(3500), None, body(&content)).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    rig.store.set(Fault::All);
    let failed = rig.drops.create(new(id(1)), "x".into(), false).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    rig.store.set(Fault::None);
    assert!(rig.is_gone(id(1)).await);
    rig.sweep();
    until("the pieces to be removed", async || rig.objects().is_empty()).await;
    until("nothing to be left", async || rig.usage().await == transistor::store::Usage::default()).await;
    rig.outside(id(1), &content).await;
    rig.end().await;
}

#[tokio::test]
async fn what_may_have_been_made_is_not_deleted() {
    let rig = Rig::new().await;
    let content = content(3500);
    rig.store.set(Fault::FinishAfter);
    let failed = rig.drops.receive(new(id(1)), Some(3500), None, body(&content)).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    rig.store.set(Fault::None);
    let again = rig.drops.receive(new(id(1)), Some(3500), None, body(&content)).await.unwrap();
    assert!(again.existed, "somebody may have been told so before");
    let claim = rig.claim(id(1), 1).await.unwrap();
    assert_eq!(rig.read(id(1), &claim).await, content);

    // And what was not made goes by itself.
    let mut rig = rig;
    rig.store.set(Fault::Finish);
    let failed = rig.drops.receive(new(id(2)), Some(3500), None, body(&content)).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageUnavailable);
    rig.store.set(Fault::None);
    assert!(rig.is_gone(id(2)).await);
    rig.clock.advance(DropSettings::default().upload_idle.get());
    rig.sweep();
    until("nothing to be left", async || rig.usage().await == transistor::store::Usage::default()).await;
    rig.end().await;
}

#[tokio::test]
async fn damaged_and_exchanged_pieces_are_not_sent() {
    let rig = Rig::new().await;
    let content = content(3000);
    rig.outside(id(1), &content).await;
    let mut pieces = rig.objects();
    pieces.sort();
    let swapped = rig.folder.path().join("swapped");
    std::fs::rename(&pieces[0], &swapped).unwrap();
    std::fs::rename(&pieces[1], &pieces[0]).unwrap();
    std::fs::rename(&swapped, &pieces[1]).unwrap();
    let claim = rig.claim(id(1), 1).await.unwrap();
    let failed = match rig.drops.read(id(1), &claim, None, None).await {
        Ok(reading) => all(reading).await.map_err(|_| Failure::StorageFailed),
        Err(failure) => Err(failure),
    };
    assert_eq!(failed.unwrap_err(), Failure::StorageFailed);

    rig.outside(id(2), &content).await;
    for piece in rig.objects().iter().filter(|piece| !pieces.contains(piece)) {
        std::fs::OpenOptions::new().write(true).open(piece).unwrap().set_len(5000).unwrap();
    }
    let failed = rig.drops.take(id(2), &Shown::default(), false).await;
    assert_eq!(failed.unwrap_err(), Failure::StorageFailed);
    assert!(!rig.is_gone(id(2)).await, "it was not sent, so it is not taken");
    rig.end().await;
}

#[tokio::test]
async fn an_unusable_folder_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |path| BodySettings { path, ..BodySettings::default() };
    Bodies::open(&settings(folder.path().join("a/b"))).unwrap().check().await.unwrap();
    assert_eq!(files(&folder.path().join("a/b")).len(), 1, "the probe was removed");

    let file = folder.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    assert!(matches!(Bodies::open(&settings(file)), Err(CheckError::NoFolder(_))));
    let vanished = Bodies::open(&settings(folder.path().join("c"))).unwrap();
    std::fs::remove_dir_all(folder.path().join("c")).unwrap();
    assert!(matches!(vanished.check().await, Err(CheckError::Unwritable)));
}

/// What a database does not know of, it removes; so a place is for one alone.
#[tokio::test]
async fn a_place_belongs_to_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bodies");
    let open = || Bodies::open(&BodySettings { path: path.clone(), ..BodySettings::default() }).unwrap();
    let [one, other] = [StoreId([1; 16]), StoreId([2; 16])];
    open().belong_to(one).await.unwrap();
    open().belong_to(one).await.unwrap();
    assert!(matches!(open().belong_to(other).await, Err(CheckError::Foreign)));
    open().belong_to(one).await.unwrap();
}
