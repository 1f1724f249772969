//! Bad proofs are found, laid to the right sender, and do not take from others what is theirs.

use api::{ErrorCode, frames::FrameReceipt};
use futures_util::future::join_all;

use crate::kit::{Club, Made, Site, site::soon};

/// The frame with a proof of something else: of the group's Init.
fn unproven(club: &Club, made: &Made) -> Made {
    let proof = club.log[0].proofs[0];
    made.changed(|frame| frame.proofs[0] = proof)
}

fn proofs(site: &Site, outcome: &str) -> u64 {
    site.measured(&format!("node_verify_proofs_total{{outcome=\"{outcome}\"}}"))
}

fn batches(site: &Site) -> [u64; 3] {
    ["good", "stranger", "suspect"]
        .map(|standing| site.measured(&format!("node_verify_batches_total{{standing=\"{standing}\"}}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooding_group_is_set_apart_and_others_go_on() {
    let site = Site::start().await;
    let (mut loud, mut quiet) = (site.found(120).await, site.found(121).await);
    assert_eq!((proofs(&site, "held"), batches(&site)), (2, [0, 2, 0]));
    let good = loud.update(0);
    let bad = unproven(&loud, &good);
    assert_eq!(soon(site.post(&bad)).await.code(), ErrorCode::BadProof);
    assert_eq!((batches(&site), site.measured("node_verify_suspects")), ([1, 2, 0], 1));

    // A group's frames are judged one after the other, so every bad one that follows is a batch of its own.
    let flood: Vec<_> = (0..20).map(|_| site.post(&bad)).collect();
    let others = async {
        for _ in 0..4 {
            let update = quiet.update(0);
            site.accept(&mut quiet, update).await;
        }
    };
    let (replies, ()) = soon(futures_util::future::join(join_all(flood), others)).await;
    assert!(replies.iter().all(|reply| reply.code() == ErrorCode::BadProof));
    assert_eq!((proofs(&site, "held"), proofs(&site, "refused")), (2 + 4, 1 + 20));
    assert_eq!(batches(&site), [1 + 4, 2, 20]);
    // Nobody paid for the flood with a search.
    assert_eq!(site.measured("node_verify_bisections_total"), 0);
    assert_eq!(site.measured("node_verify_queued_proofs"), 0);

    // A suspect group is served all the same, and is none any more after some good frames.
    site.accept(&mut loud, good).await;
    assert_eq!(batches(&site), [5, 2, 21]);
    for _ in 1..8 {
        let update = loud.update(0);
        site.accept(&mut loud, update).await;
    }
    assert_eq!(site.measured("node_verify_suspects"), 0);
    let update = loud.update(0);
    site.accept(&mut loud, update).await;
    assert_eq!(batches(&site), [6, 2, 28]);
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_bad_frame_of_many_groups_is_refused() {
    let site = Site::start().await;
    let mut clubs = Vec::new();
    for seed in 122..127 {
        clubs.push(site.found(seed).await);
    }
    let (held, before) = (proofs(&site, "held"), batches(&site)[0]);
    let mut updates: Vec<Made> = clubs.iter_mut().map(|club| club.update(0)).collect();
    let good = updates[2].clone();
    updates[2] = unproven(&clubs[2], &good);
    let replies = soon(join_all(updates.iter().map(|made| site.post(made)))).await;
    for (at, reply) in replies.iter().enumerate() {
        if at == 2 {
            assert_eq!((reply.status, reply.code()), (422, ErrorCode::BadProof));
        } else {
            let receipt: FrameReceipt = reply.decode();
            clubs[at].apply(&updates[at]);
            assert_eq!(receipt.receipt.log, clubs[at].state.log());
        }
    }
    assert_eq!((proofs(&site, "held"), proofs(&site, "refused")), (held + 4, 1));
    assert!(batches(&site)[0] > before && batches(&site)[0] <= before + 5);
    assert_eq!(site.measured("node_verify_suspects"), 1);
    site.accept(&mut clubs[2], good).await;
    site.stop().await;
}

#[tokio::test]
async fn founders_have_their_own_share_and_make_nobody_suspect() {
    let site = Site::start().await;
    let mut club = site.found(127).await;
    let (_, init) = Club::found(128);
    let bad = unproven(&club, &init);
    for _ in 0..10 {
        assert_eq!(soon(site.post(&bad)).await.code(), ErrorCode::BadProof);
    }
    assert_eq!((batches(&site), site.measured("node_verify_suspects")), ([0, 11, 0], 0));
    assert_eq!(site.measured("node_groups_created_total"), 1);
    // The same address may found a group with a frame that holds, and nobody else has noticed anything.
    soon(site.post(&init)).await.decode::<FrameReceipt>();
    let update = club.update(0);
    site.accept(&mut club, update).await;
    assert_eq!(batches(&site), [1, 12, 0]);
    site.stop().await;
}
