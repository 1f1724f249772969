//! Pages of the log and states of epochs.

use api::{
    ErrorCode,
    frames::FramesPage,
    paths::{self, FrameForm, FramesQuery},
};
use group_state::GroupState;
use protocol::{Epoch, Seq, frame::Served};

use crate::kit::{Site, SiteOptions, generous};

#[tokio::test]
async fn pages_are_bounded_and_complete() {
    let site = Site::start().await;
    let mut club = site.pair(40).await;
    for n in 0..20_u8 {
        let message = club.message(&vec![n; 60_000]);
        site.accept(&mut club, message).await;
    }
    let (group, token) = (club.group(), site.root_token(&mut club).await);
    let mut from = 0;
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let page = site.page(&group, from, &token).await;
        assert_eq!((page.head, page.horizon), (club.state.seq(), Seq::ZERO));
        let bytes: usize = page.frames.iter().map(|frame| frame.as_bytes().len()).sum();
        assert!(bytes < 1_200_000, "{bytes}");
        if page.frames.is_empty() {
            assert_eq!(page.next.get(), from);
            break;
        }
        seen.extend(page.frames.iter().map(|frame| frame.decode().unwrap()));
        from = page.next.get();
        pages += 1;
    }
    assert!(pages > 1);
    assert_eq!(seen.len(), club.log.len());
    for (seq, (served, frame)) in seen.iter().zip(&club.log).enumerate() {
        assert_eq!(served.seq, Seq::new(seq as u64));
        assert_eq!(served.content, Served::Frame(frame.clone()));
    }
    // Heads say the same, without what is sealed.
    let heads: FramesPage = site.page_reply(&group, 0, FrameForm::Heads, &token).await.decode();
    for (served, frame) in heads.frames.iter().zip(&club.log) {
        let served = served.decode().unwrap();
        assert_eq!(served.hash(), frame.hash());
        let expected = if frame.kind().is_operation() {
            Served::Operation(frame.without_sealed())
        } else {
            Served::MessageHash(frame.hash())
        };
        assert_eq!(served.content, expected);
    }
    let query = FramesQuery { from: Seq::new(1), limit: Some(2), form: FrameForm::Full };
    let two: FramesPage = site.get(&paths::frames_page(&group, &query), Some(&token)).await.decode();
    assert_eq!((two.frames.len(), two.next), (2, Seq::new(3)));
    let beyond = site.page(&group, 1_000, &token).await;
    assert!(beyond.frames.is_empty());
    site.stop().await;
}

#[tokio::test]
async fn the_state_of_every_epoch_hashes_to_its_anchor() {
    let mut config = generous();
    config.groups.snapshot_operations = 3.try_into().unwrap();
    let site = Site::with(SiteOptions { config, ..Default::default() }).await;
    let mut club = site.found(41).await;
    let group = club.group();
    let mut anchors = vec![(club.state.ctx(), club.state.seq(), club.state.log())];
    for n in 0..8_u8 {
        let update = club.update(0);
        site.accept(&mut club, update).await;
        anchors.push((club.state.ctx(), club.state.seq(), club.state.log()));
        let message = club.message(&[n; 30]);
        site.accept(&mut club, message).await;
    }
    let token = site.root_token(&mut club).await;
    let check = async || {
        for (epoch, (ctx, seq, log)) in anchors.iter().enumerate() {
            let answer = site.tree(&group, Some(Epoch::new(epoch as u64)), &token).await;
            assert_eq!((answer.seq, answer.log, answer.epoch.get()), (*seq, *log, epoch as u64));
            let state = GroupState::from_served(answer.state.as_bytes(), ctx, *seq, *log).unwrap();
            assert_eq!(state.ctx(), *ctx);
        }
    };
    check().await;
    // From memory the answers are the same.
    check().await;
    assert_eq!(site.tree(&group, None, &token).await.epoch, club.state.epoch());
    let future = Epoch::new(club.state.epoch().get() + 1);
    assert_eq!(site.tree_reply(&group, Some(future), &token).await.code(), ErrorCode::NotFound);
    assert!(site.measured("node_snapshots_total{outcome=\"written\"}") >= 2);
    site.stop().await;
}
