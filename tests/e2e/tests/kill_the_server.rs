//! The server is killed again and again under people who write and change the group: what was acknowledged stays.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test helpers"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Result;
use e2e::{Stage, until};
use kith_client_sdk::{Entry, Error, Group, LinkOptions, Position, Suite, What};

/// What senders were told: position and text.
type Ledger = Arc<Mutex<BTreeMap<u64, String>>>;

const KILLS: usize = 10;

async fn entries(group: &Group) -> Result<Vec<Entry>> {
    Ok(group.entries(Position(0), 10_000).await?)
}

fn texts(entries: &[Entry]) -> BTreeMap<u64, String> {
    let text = |entry: &Entry| {
        let What::Text { text } = &entry.what else { return None };
        Some((entry.seq, text.clone()))
    };
    entries.iter().filter_map(text).collect()
}

/// Writes until told to stop, and now and then makes fresh keys. Gives how often it had to wait for the server.
async fn write(group: Group, name: &str, ledger: Ledger, stop: Arc<AtomicBool>) -> Result<u32, Error> {
    let mut waited = 0;
    let mut n = 0_u32;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let text = format!("{name} {n}");
        match group.send_text(&text).await {
            Ok(seq) => {
                let before = ledger.lock().unwrap().insert(seq, text);
                assert_eq!(before, None, "two messages were acknowledged at one position");
            }
            Err(error) if error.is_retryable() => waited += 1,
            Err(error) => return Err(error),
        }
        if n.is_multiple_of(4) {
            match group.update_keys().await {
                Err(error) if !error.is_retryable() => return Err(error),
                _ => {}
            }
        }
    }
    Ok(waited)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() -> Result<()> {
    let mut stage = Stage::new()?;
    let ann = stage.client("Ann").await?;
    let founded = ann.create_group("Trip", &stage.server.url(), Suite::Aes256Gcm).await?;
    let link = founded.invite_link(LinkOptions { uses: 2, ..LinkOptions::default() }).await?;
    let mut groups = vec![founded];
    for name in ["Ben", "Cleo"] {
        groups.push(stage.client(name).await?.join(&link).await?);
    }

    let (ledger, stop) = (Ledger::default(), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = groups
        .iter()
        .zip(["Ann", "Ben", "Cleo"])
        .map(|(group, name)| tokio::spawn(write(group.clone(), name, Arc::clone(&ledger), Arc::clone(&stop))))
        .collect();

    let acknowledged = || ledger.lock().unwrap().len();
    let (stage, watched) = (Arc::new(Mutex::new(&mut stage)), &acknowledged);
    for kill in 0..KILLS {
        // From between two acknowledgements, each time a few later than the last.
        let goal = watched() + kill % 4;
        tokio::task::block_in_place(|| -> Result<()> {
            until("more acknowledgements", || Ok((watched() >= goal).then_some(())))?;
            stage.lock().unwrap().server.restart()
        })?;
        tokio::task::block_in_place(|| {
            let goal = watched() + 1;
            until("life after the restart", || Ok((watched() >= goal).then_some(())))
        })?;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await??;
    }

    let ledger = ledger.lock().unwrap().clone();
    let mut states = Vec::new();
    for group in &groups {
        // What is still on its way to the log gets there now.
        group.sync().await?;
    }
    for group in &groups {
        group.sync().await?;
        let entries = entries(group).await?;
        let seqs: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
        assert!(seqs.is_sorted(), "entries out of order");
        let seen = texts(&entries);
        for (seq, text) in &ledger {
            assert!(
                seen.get(seq) == Some(text) || seqs[0] > *seq,
                "acknowledged at {seq} and not there: {text}"
            );
        }
        let mut all: Vec<&String> = seen.values().collect();
        let before = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), before, "a message came twice");
        assert!(
            !entries.iter().any(|e| matches!(e.what, What::Unreadable { .. })),
            "something was unreadable"
        );
        let info = group.info().await?;
        states.push((info.epoch, info.seq, info.tree_hash, info.transcript_hash, info.log_hash));
    }
    states.dedup();
    assert_eq!(states.len(), 1, "the members do not agree: {states:?}");
    assert!(ledger.len() > KILLS, "hardly anything was written");
    Ok(())
}

/// Cut between append and answer: the same bytes again get the same position.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_cut_off_by_a_restart_is_settled_by_the_next_call() -> Result<()> {
    let mut stage = Stage::new()?;
    let ann = stage.client("Ann").await?;
    let group = ann.create_group("Trip", &stage.server.url(), Suite::ChaCha20Poly1305).await?;
    for _ in 0..5 {
        let epoch = group.info().await?.epoch;
        let operation = tokio::spawn({
            let group = group.clone();
            async move { group.update_keys().await }
        });
        tokio::task::block_in_place(|| stage.server.restart())?;
        match operation.await? {
            Ok(()) => {}
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        group.send_text("still here").await?;
        let now = group.info().await?.epoch;
        assert!(now == epoch || now == epoch + 1, "{epoch} became {now}");
    }
    Ok(())
}
