//! Every kind of refusal can be reached, is told as it should be, and costs no more than it has to.

use api::ErrorCode;
use protocol::{
    Frame, FrameId, Seq, SignatureBytes, UnixSeconds,
    body::Body,
    digest::Role,
    head::{Head, Place},
};

use crate::kit::{
    Club, Made, START, Site,
    club::{self, DAY, stranger},
};

/// What was begun on frames, from cheap to costly.
fn costs(site: &Site) -> [u64; 5] {
    ["decode", "duplicate", "authenticate", "fold", "proofs"].map(|stage| site.checks(stage))
}

/// Sends a frame that has to be refused and returns the code with the stages it got through.
async fn refused(site: &Site, group: &protocol::GroupId, bytes: Vec<u8>) -> (ErrorCode, [u64; 5]) {
    let before = costs(site);
    let reply = site.post_bytes(group, bytes).await;
    let after = costs(site);
    let mut stages = [0; 5];
    for (stage, (after, before)) in stages.iter_mut().zip(after.iter().zip(before)) {
        *stage = after - before;
    }
    (reply.code(), stages)
}

fn made(mut frame: Frame, change: impl FnOnce(&mut Frame)) -> Vec<u8> {
    change(&mut frame);
    frame.encode().unwrap()
}

#[tokio::test]
async fn cheap_checks_come_before_costly_ones() {
    let site = Site::start().await;
    let mut club = site.pair(1).await;
    let group = club.group();
    let message = club.message(b"good");

    // Size and shape: nothing else is looked at.
    assert_eq!(refused(&site, &group, vec![0; 256 * 1024 + 1]).await, (ErrorCode::TooLarge, [1, 0, 0, 0, 0]));
    assert_eq!(refused(&site, &group, b"junk".to_vec()).await, (ErrorCode::Malformed, [1, 0, 0, 0, 0]));
    let mut trailing = message.bytes.clone();
    trailing.push(0);
    assert_eq!(refused(&site, &group, trailing).await.0, ErrorCode::Malformed);
    let other = protocol::GroupId::new([9; 32]);
    assert_eq!(refused(&site, &other, message.bytes.clone()).await, (ErrorCode::Malformed, [1, 0, 0, 0, 0]));

    // An id that is taken: no group, no signature.
    site.accept(&mut club, message.clone()).await;
    let conflict = made(message.frame.clone(), |frame| {
        *frame = Frame::unsigned(frame.head().clone(), b"other".to_vec());
    });
    assert_eq!(refused(&site, &group, conflict).await, (ErrorCode::FrameIdConflict, [1, 1, 0, 0, 0]));

    // Nothing valid shown: one signature was checked, nothing was folded.
    let update = club.update(1);
    let forged = made(update.frame.clone(), |frame| frame.auth.leaf = Some(SignatureBytes::new([3; 64])));
    assert_eq!(refused(&site, &group, forged).await, (ErrorCode::NotAccepted, [1, 1, 1, 0, 0]));

    // The clock: told to members, before anything is folded.
    club.now = START + 61;
    let early = club.update(1);
    assert_eq!(refused(&site, &group, early.bytes).await, (ErrorCode::ClockSkew, [1, 1, 1, 0, 0]));
    club.now = START;

    // Structure and base: folded, but no proof is touched.
    let (key, _) = stranger();
    let stale = {
        let Place::Operation { at, tree_hash_after, .. } = update.frame.head().place else { panic!() };
        let base = protocol::Ctx::new([7; 32]);
        resigned(
            &club,
            &update,
            Place::Operation { base, at, tree_hash_after },
            update.frame.head().body.clone(),
        )
    };
    assert_eq!(refused(&site, &group, stale).await, (ErrorCode::StaleEpoch, [1, 1, 1, 1, 0]));
    let surplus = made(update.frame.clone(), |frame| {
        let digest = frame.digest(&club.state.ctx());
        frame.auth.owner = Some(key.sign(&Role::Owner.message(&digest)));
    });
    assert_eq!(refused(&site, &group, surplus).await, (ErrorCode::WrongStructure, [1, 1, 1, 1, 0]));

    // Proofs come last.
    let broken = made(update.frame.clone(), |frame| frame.proofs[0] = message_proof(&club));
    assert_eq!(refused(&site, &group, broken).await, (ErrorCode::BadProof, [1, 1, 1, 1, 1]));

    // A message has one signature, which is checked once.
    let forged = club.message(b"forged");
    let forged = made(forged.frame, |frame| {
        frame.auth.sign = Some(curve::schnorr::SchnorrSignature::from_bytes([1; 64]));
    });
    assert_eq!(refused(&site, &group, forged).await, (ErrorCode::NotAccepted, [1, 1, 0, 1, 0]));

    // None of this has changed anything.
    site.accept(&mut club, update).await;
    site.stop().await;
}

/// A proof of something else.
fn message_proof(club: &Club) -> protocol::frame::ProofBytes {
    club.log.iter().find_map(|frame| frame.proofs.first().copied()).unwrap()
}

/// A frame of member 1 with another head, signed by its leaf; the proof is left over.
fn resigned(club: &Club, update: &Made, place: Place, body: Body) -> Vec<u8> {
    let old = update.frame.head();
    let head = Head { suite: old.suite, group: old.group, frame_id: FrameId::new([5; 16]), place, body };
    let mut frame = Frame::unsigned(head, b"sealed".to_vec());
    let Place::Operation { base, .. } = place else { panic!() };
    let digest = frame.digest(&base);
    frame.auth.leaf = Some(club.member(1).sig.sign(&Role::Leaf.message(&digest)));
    frame.proofs = update.frame.proofs.clone();
    frame.encode().unwrap()
}

#[tokio::test]
async fn unknown_group_and_nothing_shown_look_alike() {
    let site = Site::start().await;
    let club = site.found(2).await;
    let (mut unknown, _) = Club::found(3);
    for operation in [true, false] {
        let there = if operation {
            let mut other = Club::found(2).0;
            let update = other.update(0);
            made(update.frame, |frame| frame.auth.leaf = Some(SignatureBytes::new([3; 64])))
        } else {
            let mut other = Club::found(2).0;
            let message = other.message(b"x");
            made(message.frame, |frame| {
                frame.auth.sign = Some(curve::schnorr::SchnorrSignature::from_bytes([1; 64]));
            })
        };
        let nowhere = if operation { unknown.update(0).bytes } else { unknown.message(b"x").bytes };
        let there = site.post_bytes(&club.group(), there).await;
        let nowhere = site.post_bytes(&unknown.group(), nowhere).await;
        assert_eq!((there.status, there.code()), (403, ErrorCode::NotAccepted));
        assert_eq!((nowhere.status, nowhere.code()), (403, ErrorCode::NotAccepted));
        let strip = |reply: &crate::kit::Reply| {
            let mut document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            document.as_object_mut().unwrap().remove("instance");
            document
        };
        assert_eq!(strip(&there), strip(&nowhere));
    }
    site.stop().await;
}

#[tokio::test]
async fn epochs_of_messages() {
    let site = Site::start().await;
    let mut club = site.pair(4).await;
    let group = club.group();
    let (sign, epoch) = (club.sign_secret(), *club.state.message_epochs().last().unwrap());
    let late = club.message_of(&sign, &epoch, b"late");
    let too_late = club.message_of(&sign, &epoch, b"too late");
    let update = club.update(0);
    site.accept(&mut club, update).await;
    // Within the grace period of a minute an earlier epoch counts.
    site.accept(&mut club, late).await;
    site.clock.advance(std::time::Duration::from_secs(61));
    club.now += 61;
    let problem = site.post(&too_late).await.problem();
    assert_eq!((problem.code(), problem.epoch()), (ErrorCode::GraceOver, Some(club.state.epoch())));
    for _ in 0..2 {
        let update = club.update(0);
        site.accept(&mut club, update).await;
    }
    // Three epochs back nobody can tell any more whether it was right.
    assert_eq!(site.post(&too_late).await.code(), ErrorCode::NotAccepted);
    // While a leaf is dirty nothing is said at all.
    let mark = club.mark(1);
    let message = club.message(b"x");
    site.accept(&mut club, mark).await;
    assert_eq!(site.post(&message).await.code(), ErrorCode::HealFirst);
    let heal = club.heal(0);
    site.accept(&mut club, heal).await;
    // What the removed member knows counts no more, though its epoch is recent.
    assert_eq!(site.post(&message).await.code(), ErrorCode::EpochNotAccepted);
    let message = club.message(b"y");
    site.accept(&mut club, message).await;
    let close = club.plain(Body::Close);
    let message = club.message(b"z");
    site.accept(&mut club, close).await;
    assert_eq!(site.post(&message).await.code(), ErrorCode::GroupClosed);
    assert_eq!(club.group(), group);
    site.stop().await;
}

#[tokio::test]
async fn founding() {
    let site = Site::start().await;
    let (mut club, init) = Club::found(5);
    // Dated outside the window.
    site.clock.set(START + 11 * 60);
    assert_eq!(site.post(&init).await.problem().node_time(), Some(UnixSeconds::new(START + 11 * 60)));
    site.clock.set(START);
    // Unknown parameters, a policy out of bounds.
    let unknown = protocol::body::Policy { params: protocol::ParamsHash::new([1; 32]), ..club::policy() };
    let long = protocol::body::Policy { invite_ttl: 31 * DAY, ..club::policy() };
    for (policy, code) in [(unknown, ErrorCode::UnknownParams), (long, ErrorCode::BadPolicy)] {
        let mut body = match &init.frame.head().body {
            Body::Init(body) => body.clone(),
            other => panic!("{other:?}"),
        };
        body.policy = policy;
        let bytes = refounded(&club, &init, Body::Init(body));
        let frame = Frame::decode(&bytes).unwrap();
        assert_eq!(site.post_bytes(&frame.head().group, bytes).await.code(), code);
    }
    // A proof of something else, a signature of somebody else.
    let other = Club::found(6).1;
    let stolen = init.changed(|frame| frame.proofs[0] = other.frame.proofs[0]);
    assert_eq!(site.post(&stolen).await.code(), ErrorCode::BadProof);
    let forged = init.changed(|frame| frame.auth.owner = other.frame.auth.owner);
    assert_eq!(site.post(&forged).await.code(), ErrorCode::BadSignature);
    let receipt = site.accept(&mut club, init.clone()).await;
    assert_eq!((receipt.receipt.seq, receipt.duplicate), (Seq::ZERO, false));
    // The same core in another frame founds nothing.
    let again = made(init.frame.clone(), |frame| {
        let mut head = frame.head().clone();
        head.frame_id = FrameId::new([8; 16]);
        let mut again = Frame::unsigned(head, Vec::new());
        let Place::Operation { base, .. } = again.head().place else { panic!() };
        let digest = again.digest(&base);
        again.auth.leaf = Some(club.member(0).sig.sign(&Role::Leaf.message(&digest)));
        again.auth.owner = Some(club.owner.sign(&Role::Owner.message(&digest)));
        again.proofs = frame.proofs.clone();
        *frame = again;
    });
    assert_eq!(site.post_bytes(&club.group(), again).await.code(), ErrorCode::StaleEpoch);
    site.stop().await;
}

/// An Init with another body, and hence another group, signed by the founder.
fn refounded(club: &Club, init: &Made, body: Body) -> Vec<u8> {
    let old = init.frame.head();
    let Place::Operation { at, tree_hash_after, .. } = old.place else { panic!() };
    let group = protocol::digest::group_id(old.suite, at, &tree_hash_after, &body.encode());
    let base = protocol::digest::ctx_before_init(old.suite, &group);
    let place = Place::Operation { base, at, tree_hash_after };
    let mut frame = Frame::unsigned(Head { group, place, body, ..old.clone() }, Vec::new());
    let digest = frame.digest(&base);
    frame.auth.leaf = Some(club.member(0).sig.sign(&Role::Leaf.message(&digest)));
    frame.auth.owner = Some(club.owner.sign(&Role::Owner.message(&digest)));
    frame.proofs = init.frame.proofs.clone();
    frame.encode().unwrap()
}
