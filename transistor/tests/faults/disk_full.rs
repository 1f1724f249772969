//! No room any more: what was acknowledged stays, and nothing is half kept.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{
    drop::Drop,
    service::{Records, Service, until},
};

/// A small file system of its own, if such a thing may be made here.
struct Disk(TempDir);

impl Disk {
    fn small() -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(at.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(at))
    }
}

impl std::ops::Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stdout, reason = "says why it was skipped")]
async fn what_was_acknowledged_stays_and_the_rest_is_refused() {
    let Some(disk) = Disk::small() else {
        println!("skipped: a file system for it may not be mounted here");
        return;
    };
    let filler = disk.0.path().join("filler");
    std::fs::write(&filler, vec![0; 1 << 20]).unwrap();
    let settings = ["drops.lease=10m", "bodies.min_free=0B"];
    let service = Service::start_in(disk.0.path(), Records::Sqlite, &settings).await.unwrap();
    let mut made = Vec::new();
    let refused = loop {
        let drop = Drop::random(if made.len() % 2 == 0 { 300_000 } else { 2_000 });
        let answer = drop.making().send(service.port()).await.unwrap();
        if !answer.is_success() {
            break (drop, answer);
        }
        made.push(drop);
        assert!(made.len() < 100, "the disk does not fill");
    };
    assert_eq!(refused.1.code(), "storage_full", "{:?}", refused.1);
    assert!(!refused.0.reader().claims(service.port()).await, "half of it is there");
    let before = service.bodies().len();
    assert!(made.len() > 10);

    // Room is made, and the same process goes on.
    std::fs::remove_file(&filler).unwrap();
    for drop in &made {
        let reader = drop.reader();
        let mut got = None;
        until("it can be read", async || {
            let answer = reader.claiming().send(service.port()).await.unwrap();
            if answer.status >= 500 {
                answer.code();
                return false;
            }
            assert!(answer.is_there(), "what was acknowledged is gone");
            got = reader.read(service.port(), None).await.unwrap();
            true
        })
        .await;
        assert_eq!(got.as_ref(), Some(&drop.body));
        assert!(reader.confirming().send(service.port()).await.unwrap().is_there());
    }
    until("bodies are erased", async || service.bodies().is_empty()).await;
    assert!(before > 0);
    refused.0.make(service.port()).await;
}
