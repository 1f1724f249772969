//! What is left of a drop: nothing.

use std::{path::Path, time::Duration};

use super::kit::*;
use service_kit::config::{ByteSize, Period};
use transistor::{
    drops::{NewDrop, Shown},
    store::Store as _,
};

const CANARY: &[u8] = b"canary-0815-canary";

/// Files in which the bytes stand.
fn holding(folder: &Path, bytes: &[u8]) -> Vec<String> {
    let holds = |path: &std::path::PathBuf| {
        std::fs::read(path).unwrap_or_default().windows(bytes.len()).any(|window| window == bytes)
    };
    files(folder).iter().filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

fn canaries(len: usize) -> Vec<u8> {
    CANARY.iter().copied().cycle().take(len).collect()
}

#[tokio::test]
async fn no_file_contains_what_was_erased_and_an_object_kept_aside_stays_shut() {
    let mut rig = Rig::new().await;
    rig.sweep();
    let folder = rig.folder.path().to_owned();
    rig.outside(id(1), &canaries(80)).await;
    rig.outside(id(2), &canaries(2500)).await;
    let info = NewDrop { info: b"canary-of-the-info".to_vec(), ..new(id(3)) };
    rig.drops.create(info, canaries(90).into(), false).await.unwrap();
    assert!(!holding(&folder, CANARY).is_empty(), "what is in the database can be found while it is there");
    assert!(holding(&rig.bodies(), CANARY).is_empty(), "what is outside is sealed");

    let object = rig.objects().first().unwrap().clone();
    let body = object.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let mut name = [0; 16];
    hex::decode_to_slice(body, &mut name).unwrap();
    let key = rig.store.parts(drop_state::BodyId::from_bytes(name)).await.unwrap().unwrap().key;
    assert!(!holding(&folder, key.expose()).is_empty(), "the key stands in the database");
    let aside = tempfile::tempdir().unwrap();
    std::fs::copy(&object, aside.path().join("kept")).unwrap();

    // Confirmed, taken, deleted.
    let claim = rig.claim(id(1), 1).await.unwrap();
    rig.read(id(1), &claim).await;
    rig.drops.confirm(id(1), &claim).await.unwrap();
    all(rig.drops.take(id(2), &Shown::default(), false).await.unwrap()).await.unwrap();
    rig.drops.delete(id(3), &token(b'd')).await.unwrap();

    for secret in [CANARY, b"canary-of-the-info", key.expose(), drop_state::DropId::as_bytes(&id(2))] {
        until("nothing to be left", async || holding(&folder, secret).is_empty()).await;
    }
    until("the objects to be removed", async || rig.objects().is_empty()).await;
    assert!(holding(aside.path(), CANARY).is_empty());
    rig.end().await;
    // The key is nowhere, so what was kept aside is noise for ever.
    assert!(holding(&folder, key.expose()).is_empty());
}

#[tokio::test]
async fn drops_end_by_themselves() {
    let mut rig = Rig::new().await;
    rig.sweep();
    rig.outside(id(1), &content(50)).await;
    rig.outside(id(2), &content(2500)).await;
    let upload = rig.drops.begin(new(id(3)), 3000).await.unwrap().upload;
    let _ = rig.drops.append(&upload, 0, None, broken(&content(1500))).await;
    assert_eq!(rig.usage().await.drops, 3);

    rig.clock.advance(Duration::from_secs(3600));
    until("the upload to be erased", async || rig.usage().await.drops == 2).await;
    until("its pieces to be removed", async || rig.objects().len() == 3).await;
    rig.clock.advance(Duration::from_secs(23 * 3600));
    until("all to be erased", async || rig.usage().await == transistor::store::Usage::default()).await;
    assert!(rig.objects().is_empty());
    until("it to be counted", async || {
        rig.metric("transistor_swept_total{kind=\"ended\"}") == 3
            && rig.metric("transistor_swept_total{kind=\"body\"}") == 2
    })
    .await;
    rig.end().await;
}

#[tokio::test]
async fn a_crash_between_row_and_objects_is_made_up_for_at_the_next_start() {
    let rig = Rig::new().await;
    rig.outside(id(1), &content(2500)).await;
    all(rig.drops.take(id(1), &Shown::default(), false).await.unwrap()).await.unwrap();
    assert_eq!((rig.objects().len(), rig.usage().await.to_erase), (3, 1));
    let (folder, clock) = (rig.folder.clone(), rig.clock.clone());
    rig.end().await;

    let mut rig = Rig::open(folder, clock, |_, _| {}).await;
    rig.sweep();
    until("the objects to be removed", async || rig.objects().is_empty()).await;
    until("the body to be forgotten", async || rig.usage().await.to_erase == 0).await;
    assert_eq!(std::fs::read_dir(rig.bodies()).unwrap().count(), 1, "folders, too");
    rig.end().await;
}

#[tokio::test]
async fn pieces_that_no_record_tells_of_go_with_the_body_or_by_age() {
    let mut rig = Rig::with(|settings, _| settings.orphans_every = Period::from_millis(20)).await;
    let content = content(2500);
    let upload = rig.drops.begin(new(id(1)), 2500).await.unwrap().upload;
    // As after a crash between the two.
    rig.store.set(Fault::AppendBefore);
    rig.drops.append(&upload, 0, None, body(&content)).await.unwrap_err();
    assert_eq!(rig.objects().len(), 1);
    // As after a crash behind them, before the answer.
    rig.store.set(Fault::AppendAfter);
    rig.drops.append(&upload, 0, None, body(&content)).await.unwrap_err();
    rig.store.set(Fault::None);
    assert_eq!((rig.objects().len(), rig.drops.progress(&upload).await.unwrap().offset), (2, 1000));
    assert!(rig.drops.append(&upload, 1000, None, body(&content[1000..])).await.unwrap().complete);
    let claim = rig.claim(id(1), 1).await.unwrap();
    assert_eq!(rig.read(id(1), &claim).await, content);

    // Bodies that nobody knows of: whole, half written, empty; and something that is not ours.
    let orphan = rig.bodies().join("00112233445566778899aabbccddeeff");
    std::fs::create_dir(&orphan).unwrap();
    std::fs::write(orphan.join("00112233445566778899aabbccddeeff"), b"x").unwrap();
    std::fs::write(orphan.join("00112233445566778899aabbccddeef0#1"), b"x").unwrap();
    std::fs::create_dir(rig.bodies().join("ffffffffffffffffffffffffffffffff")).unwrap();
    let foreign = rig.bodies().join("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF");
    std::fs::create_dir(&foreign).unwrap();
    rig.sweep();
    until("a round", async || rig.metric("transistor_drops") == 1).await;
    assert!(orphan.exists(), "too young to be sure");
    rig.drops.claim(id(1), &Shown::default(), &claim).await.unwrap();

    // Mine is known, so it stays, as long as it lasts.
    rig.clock.advance(Duration::from_secs(3600 + 5));
    until("the orphans to go", async || std::fs::read_dir(rig.bodies()).unwrap().count() == 2).await;
    assert!(foreign.exists());
    until("the rest to go with the drop", async || rig.objects().is_empty()).await;
    rig.end().await;
}

#[tokio::test]
async fn a_body_that_cannot_be_removed_does_not_keep_the_others() {
    let mut rig = Rig::new().await;
    rig.outside(id(1), &content(1500)).await;
    let stubborn = rig.objects()[0].parent().unwrap().to_owned();
    for n in 2..10 {
        rig.outside(id(n), &content(1500)).await;
    }
    // A file in place of its folder, which nothing that removes folders removes.
    std::fs::remove_dir_all(&stubborn).unwrap();
    std::fs::write(&stubborn, b"x").unwrap();
    for n in 1..10 {
        rig.drops.delete(id(n), &token(b'd')).await.unwrap();
    }
    rig.sweep();
    until("the others to be removed", async || rig.usage().await.to_erase == 1).await;
    assert_eq!(rig.objects(), std::slice::from_ref(&stubborn));
    assert!(rig.metric("transistor_storage_failures_total{place=\"bodies\"}") > 0);
    std::fs::remove_file(&stubborn).unwrap();
    until("it to be removed when it can be", async || rig.usage().await.to_erase == 0).await;
    rig.end().await;
}

#[tokio::test]
async fn many_that_end_together_are_all_swept() {
    let mut rig = Rig::with(|settings, _| settings.inline_max = ByteSize::from_bytes(1000)).await;
    let made = (0..600_u16).map(|n| {
        let mut name = [7; 16];
        name[..2].copy_from_slice(&n.to_be_bytes());
        rig.drops.create(new(drop_state::DropId::from_random(name)), "x".into(), false)
    });
    futures_util::future::try_join_all(made).await.unwrap();
    assert_eq!(rig.usage().await.drops, 600);
    rig.clock.advance(Duration::from_secs(24 * 3600));
    rig.sweep();
    until("all to be erased", async || rig.usage().await.drops == 0).await;
    rig.end().await;
}
