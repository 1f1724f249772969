//! Two nodes on one database cannot overrun a mailbox's rules together.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use frame_log::{MAX_PACKAGES, MailboxError, MailboxId, Mailboxes as _, NewPackage, Put};
use frame_log_mongo::MongoFrameLog;
use mongodb::bson::{Document, doc};
use protocol::UnixSeconds;
use servers::Mongo;
use tokio::task::JoinSet;

use crate::databases::{behind, name, open};

const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);

fn package(n: u64, last_resort: bool) -> NewPackage {
    let bytes = Bytes::from(n.to_be_bytes().repeat(9));
    NewPackage { bytes, last_resort, expires: NOW.saturating_add(3_600) }
}

async fn put_all(
    logs: &[Arc<MongoFrameLog>; 2],
    mailbox: MailboxId,
    packages: impl IntoIterator<Item = NewPackage>,
) -> Vec<Result<Put, MailboxError>> {
    let mut puts = JoinSet::new();
    for (log, package) in logs.iter().cycle().zip(packages) {
        let log = Arc::clone(log);
        puts.spawn(async move { log.put(&mailbox, package, NOW).await });
    }
    puts.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rules_hold_for_all_nodes_together() {
    let server = Mongo::start().await.expect("starts");
    let database = name();
    let logs = [open(&server.uri(), &database).await, open(&server.uri(), &database).await];

    let full = MailboxId::new([1; 32]);
    let outcomes = put_all(&logs, full, (0..130).map(|n| package(n, false))).await;
    assert_eq!(outcomes.iter().filter(|o| **o == Ok(Put::Stored)).count(), MAX_PACKAGES);
    assert_eq!(outcomes.iter().filter(|o| **o == Err(MailboxError::Full)).count(), 130 - MAX_PACKAGES);

    let same = MailboxId::new([2; 32]);
    let outcomes = put_all(&logs, same, (0..24).map(|_| package(7, false))).await;
    assert_eq!(outcomes.iter().filter(|o| **o == Ok(Put::Stored)).count(), 1);
    assert_eq!(outcomes.iter().filter(|o| **o == Ok(Put::AlreadyKnown)).count(), 23);

    // Claims and repeated puts side by side: nothing is handed out twice.
    let busy = MailboxId::new([3; 32]);
    let mut claims = JoinSet::new();
    for log in logs.iter().cycle().take(30) {
        let log = Arc::clone(log);
        claims.spawn(async move {
            let mut mine = Vec::new();
            for _ in 0..3 {
                mine.extend(log.claim(&busy, NOW).await.expect("claimable").map(|c| c.package));
            }
            mine
        });
    }
    put_all(&logs, busy, (0..60).map(|n| package(n % 20, false))).await;
    let mut handed_out: Vec<Bytes> = claims.join_all().await.into_iter().flatten().collect();
    while let Some(claimed) = logs[1].claim(&busy, NOW).await.expect("claimable") {
        handed_out.push(claimed.package);
    }
    assert_eq!(handed_out.len(), 20);
    assert_eq!(handed_out.into_iter().collect::<HashSet<_>>().len(), 20);

    // Of many last resorts one is left.
    let last = MailboxId::new([4; 32]);
    put_all(&logs, last, (0..10).map(|n| package(n, true))).await;
    let first = logs[0].claim(&last, NOW).await.expect("claimable").expect("there");
    for log in &logs {
        assert_eq!(log.claim(&last, NOW).await, Ok(Some(first.clone())));
    }
    let packages = behind(&server.uri(), &database).await.collection::<Document>("packages");
    let kept = doc! { "l": true, "b": { "$exists": true } };
    assert_eq!(packages.count_documents(kept).await.expect("counted"), 1);

    // The server would sweep what nobody did, by its own clock and not before a day has passed.
    let due = doc! { "$expr": { "$lt": ["$z", { "$add": ["$$NOW", 25 * 3_600 * 1_000_i64] }] } };
    let early = doc! { "$expr": { "$lt": ["$z", { "$add": ["$$NOW", 24 * 3_600 * 1_000_i64] }] } };
    assert!(packages.count_documents(due).await.expect("counted") > 0);
    assert_eq!(packages.count_documents(early).await.expect("counted"), 0);
}
