//! The log says what happens and nothing about whom.

use api::paths;
use service_kit::{
    logging::{Identity, LogFormat, LogSettings, dispatch},
    testing::{Canaries, Finding},
};

use crate::kit::{Site, site::soon};

#[tokio::test]
async fn no_ids_keys_contents_tokens_or_addresses() {
    let canaries = Canaries::new();
    let settings =
        LogSettings { format: LogFormat::Json, filter: "info,node=trace,service_kit=trace".to_owned() };
    // While there is one log in a process, a place that logs asks the log of whatever thread comes by first whether anybody
    // wants to know, and keeps the answer; a test on another thread has none, and silences it. With two, all are asked.
    let _second = dispatch(&settings, std::io::sink, None::<Identity>).unwrap();
    let dispatch = dispatch(&settings, std::io::sink, Some(canaries.layer())).unwrap();
    let _guard = tracing::dispatcher::set_default(&dispatch);

    let site = Site::start().await;
    let mut club = site.pair(140).await;
    let group = club.group();
    for member in &club.members {
        canaries.secret(member.sig.verifying_key().as_bytes());
    }
    canaries.secret(group.as_bytes());
    canaries.secret(site.node.id().as_bytes());
    canaries.secret(club.owner.verifying_key().as_bytes());
    canaries.secret(b"what nobody may see in a log");
    let message = club.message(b"what nobody may see in a log");
    canaries.secret(message.frame.head().frame_id.as_bytes());
    canaries.secret(message.frame.hash().as_bytes());
    site.accept(&mut club, message).await;
    let token = site.root_token(&mut club).await;
    canaries.text(token.expose());
    let mut stream = site.follow(&group, Some(0), None, &token).await.ok().unwrap();
    soon(stream.next()).await;
    site.page(&group, 0, &token).await;
    let removed = club.member(1).clone();
    let remove = club.remove(0, 1);
    site.accept(&mut club, remove).await;
    site.leaf_reply(&club, &removed).await;
    // Failures, too, and a log that breaks.
    site.get(&paths::tree(&group, &Default::default()), Some(&token)).await;
    site.post_bytes(&group, b"junk".to_vec()).await;
    let forged = club.update(0).changed(|frame| frame.proofs[0] = club.log[0].proofs[0]);
    let record = frame_log::Record {
        frame: forged.bytes.clone().into(),
        frame_id: forged.frame.head().frame_id,
        th: forged.frame.hash(),
        received_at: frame_log::UnixMillis::new(0),
        epoch: club.state.epoch(),
        is_operation: true,
    };
    site.store.append(&group, club.state.seq().next().unwrap(), record).await.unwrap();
    let message = club.message(b"x");
    assert_eq!(site.post(&message).await.status, 500);
    site.node.sweep().await.unwrap();
    site.stop().await;
    assert!(canaries.lines() > 5, "{}", canaries.lines());
    // The client beside the node talks of its own connections.
    let of_node =
        |finding: &Finding| !["hyper_util::client", "reqwest"].iter().any(|c| finding.target.starts_with(c));
    let found: Vec<_> =
        canaries.findings().into_iter().filter(of_node).map(|finding| finding.to_string()).collect();
    assert!(found.is_empty(), "{found:#?}");
}
