//! Whoever is removed is cut off at once, and told by the frame that did it.

use api::{
    ErrorCode,
    events::Event,
    frames::FramesPage,
    paths::{self, FrameForm},
    token::{Scope, TokenAnswer},
};
use protocol::Seq;

use crate::kit::{Site, site::soon};

#[tokio::test]
async fn gets_the_marking_frame_and_nothing_else() {
    let site = Site::start().await;
    let mut club = site.pair(30).await;
    let group = club.group();
    let removed = club.member(1).clone();
    let (leaf, root) = (site.leaf_token(&club, &removed).await, site.root_token(&mut club).await);
    let stays = site.leaf_token(&club, club.member(0)).await;
    let mut of_leaf = site.follow(&group, None, None, &leaf).await.ok().unwrap();
    let mut of_root = site.follow(&group, None, None, &root).await.ok().unwrap();
    let mut of_other = site.follow(&group, None, None, &stays).await.ok().unwrap();
    for stream in [&mut of_leaf, &mut of_root, &mut of_other] {
        assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    }

    let remove = club.remove(0, 1);
    site.accept(&mut club, remove).await;
    let marking = club.state.seq();
    let message = club.message(b"not for you");
    site.accept(&mut club, message).await;

    // Streams of the removed leaf, and of everybody who may be it, end behind the marking frame.
    for stream in [&mut of_leaf, &mut of_root] {
        assert_eq!(soon(stream.frame()).await.seq, marking);
        match soon(stream.next()).await {
            Some(Event::Problem(problem)) => assert_eq!(problem.code(), ErrorCode::TokenRevoked),
            other => panic!("{other:?}"),
        }
        assert_eq!(soon(stream.next()).await, None);
    }
    // The others go on.
    assert_eq!(soon(of_other.frame()).await.seq, marking);
    assert_eq!(soon(of_other.frame()).await.seq, club.state.seq());

    // What it still has opens nothing.
    for token in [&leaf, &root] {
        assert_eq!(site.page_reply(&group, 0, FrameForm::Full, token).await.code(), ErrorCode::TokenRevoked);
        let refused = site.follow(&group, None, None, token).await.err().unwrap();
        assert_eq!(refused.code(), ErrorCode::TokenRevoked);
    }
    // Its pseudonym opens the marking frame, exactly.
    let answer: TokenAnswer = site.leaf_reply(&club, &removed).await.decode();
    assert_eq!(answer.scope, Scope::Removal);
    let page: FramesPage = site.get(&paths::removal(&group), Some(&answer.token)).await.decode();
    assert_eq!((page.frames.len(), page.head), (1, marking));
    assert_eq!(page.frames[0].decode().unwrap().hash(), club.log[2 + 1].hash());
    for reply in [
        site.page_reply(&group, 0, FrameForm::Heads, &answer.token).await,
        site.tree_reply(&group, None, &answer.token).await,
        site.follow(&group, None, None, &answer.token).await.err().unwrap(),
    ] {
        assert_eq!(reply.code(), ErrorCode::Forbidden);
    }
    // And nobody else gets it by that way.
    assert_eq!(site.get(&paths::removal(&group), Some(&stays)).await.code(), ErrorCode::Forbidden);
    assert_eq!(marking, Seq::new(3));
    site.stop().await;
}

#[tokio::test]
async fn a_mark_alone_cuts_too() {
    let site = Site::start().await;
    let mut club = site.pair(31).await;
    let group = club.group();
    let root = site.root_token(&mut club).await;
    let mut stream = site.follow(&group, Some(0), None, &root).await.ok().unwrap();
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    for _ in 0..3 {
        soon(stream.frame()).await;
    }
    let mark = club.mark(1);
    site.accept(&mut club, mark).await;
    assert_eq!(soon(stream.frame()).await.seq, club.state.seq());
    assert!(matches!(soon(stream.next()).await, Some(Event::Problem(_))));
    assert_eq!(soon(stream.next()).await, None);
    assert_eq!(site.measured("node_followers_cut_total{reason=\"revoked\"}"), 1);
    site.stop().await;
}

#[tokio::test]
async fn a_reader_who_looks_late_gets_no_more_than_one_who_looked_at_once() {
    let site = Site::start().await;
    let mut club = site.pair(32).await;
    let removed = club.member(1).clone();
    let leaf = site.leaf_token(&club, &removed).await;
    let mut stream = site.follow_unread(&club, &leaf).await;
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    // What was sent before the removal is the reader's, what is sent after it is not, and all of it is there at once.
    let message = club.message(b"for you");
    site.accept(&mut club, message).await;
    let remove = club.remove(0, 1);
    site.accept(&mut club, remove).await;
    for _ in 0..3 {
        let message = club.message(b"not for you");
        site.accept(&mut club, message).await;
    }
    assert_eq!(soon(stream.frame()).await.seq, Seq::new(3));
    assert_eq!(soon(stream.frame()).await.seq, Seq::new(4));
    match soon(stream.next()).await {
        Some(Event::Problem(problem)) => assert_eq!(problem.code(), ErrorCode::TokenRevoked),
        other => panic!("{other:?}"),
    }
    assert_eq!(soon(stream.next()).await, None);
    site.stop().await;
}
