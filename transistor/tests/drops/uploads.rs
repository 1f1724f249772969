//! Uploads that break and go on.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::kit::*;
use drop_state::Refusal;
use service_kit::config::Period;
use transistor::drops::{Checksum, Cut, Failure, Token};

const LEN: usize = 3 * PIECE + 500;

async fn begin(rig: &Rig, n: u8, len: usize) -> Token {
    rig.drops.begin(new(id(n)), len as u64).await.unwrap().upload
}

async fn offset(rig: &Rig, upload: &Token) -> u64 {
    rig.drops.progress(upload).await.unwrap().offset
}

#[tokio::test]
async fn goes_on_from_whatever_byte_the_connection_broke_at() {
    let rig = Rig::new().await;
    let content = content(LEN);
    let cuts = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 1, LEN - 1, LEN];
    for (n, cut) in (1..).zip(cuts) {
        let upload = begin(&rig, n, LEN).await;
        let broke = rig.drops.append(&upload, 0, None, broken(&content[..cut])).await;
        assert_eq!(broke, Err(Failure::Interrupted), "{cut}");
        assert_eq!(offset(&rig, &upload).await, cut as u64, "{cut}: all that arrived is kept");
        assert_eq!(rig.is_gone(id(n)).await, cut < LEN, "{cut}: nobody reads half a drop");

        // Once more, then to the end.
        let again = (cut + 700).min(LEN);
        if cut < LEN {
            let broke = rig.drops.append(&upload, cut as u64, None, broken(&content[cut..again])).await;
            assert_eq!(broke, Err(Failure::Interrupted), "{cut}");
        }
        let done = rig.drops.append(&upload, again as u64, None, body(&content[again..])).await.unwrap();
        assert!(done.complete && done.offset == LEN as u64, "{cut}");
        let claim = rig.claim(id(n), n).await.unwrap();
        assert_eq!(rig.read(id(n), &claim).await, content, "{cut}");
    }
    rig.end().await;
}

#[tokio::test]
async fn what_was_promised_a_checksum_is_kept_whole_or_not() {
    let rig = Rig::new().await;
    let content = content(LEN);
    let upload = begin(&rig, 1, LEN).await;
    let (first, rest) = content.split_at(PIECE + 300);
    let sha256 = Checksum::Sha256(Sha256::digest(first).into());
    let sha1 = Checksum::Sha1(Sha1::digest(rest).into());

    let broke = rig.drops.append(&upload, 0, Some(sha256), broken(&first[..PIECE + 100])).await;
    assert_eq!(broke, Err(Failure::Interrupted));
    let short = rig.drops.append(&upload, 0, Some(sha256), body(&first[..PIECE])).await;
    assert_eq!(short, Err(Failure::DigestMismatch));
    let wrong = rig.drops.append(&upload, 0, Some(sha1), body(first)).await;
    assert_eq!(wrong, Err(Failure::DigestMismatch));
    assert_eq!(offset(&rig, &upload).await, 0);
    assert!(rig.objects().is_empty(), "what was not kept is not there either");

    let kept = rig.drops.append(&upload, 0, Some(sha256), body(first)).await.unwrap();
    assert_eq!((kept.offset, kept.complete), (first.len() as u64, false));
    let done = rig.drops.append(&upload, kept.offset, Some(sha1), body(rest)).await.unwrap();
    assert!(done.complete);
    let claim = rig.claim(id(1), 1).await.unwrap();
    assert_eq!(rig.read(id(1), &claim).await, content);
    rig.end().await;
}

#[tokio::test]
async fn a_byte_at_a_time_does_not_make_an_object_each() {
    let rig = Rig::new().await;
    let content = content(LEN);
    let upload = begin(&rig, 1, LEN).await;
    for _ in 0..100 {
        let at = offset(&rig, &upload).await;
        let byte = usize::try_from(at).unwrap();
        let broke = rig.drops.append(&upload, at, None, broken(&content[byte..=byte])).await;
        assert_eq!(broke, Err(Failure::Interrupted));
    }
    // Spare ones, and those that the body needs.
    assert_eq!(offset(&rig, &upload).await, 64 + (LEN / PIECE) as u64);
    assert_eq!(rig.objects().len(), 64 + LEN / PIECE);
    let at = offset(&rig, &upload).await;
    let rest = body(&content[usize::try_from(at).unwrap()..]);
    assert!(rig.drops.append(&upload, at, None, rest).await.unwrap().complete);
    let claim = rig.claim(id(1), 1).await.unwrap();
    assert_eq!(rig.read(id(1), &claim).await, content);
    rig.end().await;
}

#[tokio::test]
async fn neither_do_requests_that_end_after_a_byte() {
    for checked in [false, true] {
        let rig = Rig::new().await;
        let content = content(LEN);
        let upload = begin(&rig, 1, LEN).await;
        let send = async |bytes: core::ops::Range<usize>| {
            let piece = &content[bytes.clone()];
            let checksum = checked.then(|| Checksum::Sha256(Sha256::digest(piece).into()));
            let sent = rig.drops.append(&upload, bytes.start as u64, checksum, body(piece)).await.unwrap();
            assert_eq!(offset(&rig, &upload).await, sent.offset);
            usize::try_from(sent.offset).unwrap()
        };
        let spare = 65 + LEN / PIECE;
        let mut at = 0;
        for _ in 0..100 {
            at = send(at..at + 1).await;
        }
        assert_eq!((at, rig.objects().len()), (spare, spare));
        // Pieces of a decent length go on, and the last one is as long as it is.
        while at + PIECE / 8 < LEN {
            let before = at;
            at = send(at..at + PIECE / 8).await;
            assert_eq!(at, before + PIECE / 8);
            assert_eq!(send(at..at + 1).await, at);
        }
        assert_eq!(send(at..LEN).await, LEN);
        let claim = rig.claim(id(1), 1).await.unwrap();
        assert_eq!(rig.read(id(1), &claim).await, content);
        rig.end().await;
    }
}

#[tokio::test]
async fn a_later_request_takes_over_from_what_was_acknowledged() {
    let rig = Rig::new().await;
    let content = content(LEN);
    let upload = begin(&rig, 1, LEN).await;
    let (sender, body_of_first) = channel();
    let first = tokio::spawn({
        let (drops, upload) = (rig.drops.clone(), upload.clone());
        async move { drops.append(&upload, 0, None, body_of_first).await }
    });
    sender.send(Ok(content[..PIECE + 400].to_vec().into())).await.unwrap();
    until("a piece to be stored", async || offset(&rig, &upload).await == PIECE as u64).await;

    let rest = body(&content[PIECE..]);
    let second = rig.drops.append(&upload, PIECE as u64, None, rest).await.unwrap();
    assert!(second.complete);
    assert_eq!(first.await.unwrap(), Err(Failure::Interrupted));
    let claim = rig.claim(id(1), 1).await.unwrap();
    assert_eq!(rig.read(id(1), &claim).await, content);
    assert_eq!(rig.objects().len(), 4, "the earlier request left nothing");
    rig.end().await;
}

#[tokio::test]
async fn offsets_and_lengths_have_to_be_right() {
    let rig = Rig::new().await;
    let content = content(LEN + 1);
    let upload = begin(&rig, 1, LEN).await;
    assert_eq!(
        rig.drops.append(&upload, 1, None, body(&content[..10])).await,
        Err(Failure::Refused(Refusal::Offset { at: 0 }))
    );
    let too_long = rig.drops.append(&upload, 0, None, body(&content)).await;
    assert_eq!(too_long, Err(Failure::Refused(Refusal::TooLong)));
    assert!(rig.is_gone(id(1)).await, "more than was announced is not taken for the whole");
    let at = offset(&rig, &upload).await;
    assert!(at < LEN as u64);
    let rest = body(&content[usize::try_from(at).unwrap()..LEN]);
    assert!(rig.drops.append(&upload, at, None, rest).await.unwrap().complete);
    // Whose answer was lost asks again.
    let again = rig.drops.append(&upload, LEN as u64, None, body(b"")).await.unwrap();
    assert!(again.complete);

    let stranger = rig.drops.append(&token(9), 0, None, body(b"x")).await;
    assert_eq!(stranger, Err(Failure::Refused(Refusal::Gone)));
    assert_eq!(rig.drops.begin(new(id(1)), 5).await.unwrap_err(), Failure::Refused(Refusal::Exists));
    rig.drops.end_upload(&upload).await.unwrap();
    assert_eq!(rig.drops.progress(&upload).await, Err(Failure::Refused(Refusal::Gone)));
    rig.end().await;
}

#[tokio::test]
async fn begun_again_is_begun_anew_and_nothing_of_it_is_complete() {
    let mut rig = Rig::new().await;
    let content = content(LEN);
    let first = begin(&rig, 1, LEN).await;
    let _ = rig.drops.append(&first, 0, None, broken(&content[..PIECE + 1])).await;
    let second = begin(&rig, 1, LEN).await;
    assert_eq!(rig.drops.progress(&first).await, Err(Failure::Refused(Refusal::Gone)));
    assert_eq!(offset(&rig, &second).await, 0);
    let empty = rig.drops.begin(new(id(2)), 0).await.unwrap();
    assert!(empty.progress.complete && !rig.is_gone(id(2)).await);
    rig.sweep();
    until("the first body to be removed", async || rig.objects().is_empty()).await;
    rig.end().await;
}

#[tokio::test]
async fn a_sender_that_stands_still_or_is_left_alone_keeps_what_arrived() {
    let rig = Rig::with(|settings, _| settings.read_stall = Period::from_millis(50)).await;
    let content = content(LEN);
    let upload = begin(&rig, 1, LEN).await;
    let (sender, silent) = channel();
    sender.send(Ok(content[..1200].to_vec().into())).await.unwrap();
    assert_eq!(rig.drops.append(&upload, 0, None, silent).await, Err(Failure::Interrupted));
    assert_eq!(offset(&rig, &upload).await, 1200);

    // A server drops the future of a request whose connection broke.
    let (sender, lost) = channel();
    let request = tokio::spawn({
        let (drops, upload) = (rig.drops.clone(), upload.clone());
        async move { drops.append(&upload, 1200, None, lost).await }
    });
    sender.send(Ok(content[1200..1300].to_vec().into())).await.unwrap();
    sender.send(Ok(content[1300..1400].to_vec().into())).await.unwrap();
    request.abort();
    let _ = request.await;
    let _ = sender.send(Err(Cut::Broken)).await;
    until("what arrived to be kept", async || offset(&rig, &upload).await == 1400).await;
    rig.end().await;
}

#[tokio::test]
async fn a_service_that_stops_keeps_what_arrived() {
    let mut rig = Rig::new().await;
    rig.sweep();
    let content = content(LEN);
    let upload = begin(&rig, 1, LEN).await;
    let (sender, open) = channel();
    let request = tokio::spawn({
        let (drops, upload) = (rig.drops.clone(), upload.clone());
        async move { drops.append(&upload, 0, None, open).await }
    });
    sender.send(Ok(content[..1500].to_vec().into())).await.unwrap();
    until("the first piece", async || offset(&rig, &upload).await == PIECE as u64).await;
    rig.stop();
    assert_eq!(request.await.unwrap(), Err(Failure::Stopping));
    let (folder, clock) = (rig.folder.clone(), rig.clock.clone());
    rig.end().await;

    let rig = Rig::open(folder, clock, |_, _| {}).await;
    assert_eq!(offset(&rig, &upload).await, 1500);
    assert!(rig.drops.append(&upload, 1500, None, body(&content[1500..])).await.unwrap().complete);
    let claim = rig.claim(id(1), 1).await.unwrap();
    assert_eq!(rig.read(id(1), &claim).await, content);
    rig.end().await;
}

#[tokio::test]
async fn only_so_many_at_once_and_each_in_one_piece_of_memory() {
    let rig = Rig::with(|settings, _| settings.max_uploads = 3).await;
    let mut senders = Vec::new();
    let mut requests = Vec::new();
    for n in 1..=3 {
        let upload = begin(&rig, n, LEN).await;
        let (sender, open) = channel();
        let drops = rig.drops.clone();
        requests.push(tokio::spawn(async move { drops.append(&upload, 0, None, open).await }));
        sender.send(Ok(content(100).into())).await.unwrap();
        senders.push(sender);
    }
    until("three to be under way", async || rig.metric("transistor_receiving") == 3).await;
    until("their pieces", async || rig.metric("transistor_pieces_in_memory") == 3).await;
    let upload = begin(&rig, 4, LEN).await;
    assert_eq!(rig.drops.append(&upload, 0, None, body(&content(LEN))).await, Err(Failure::Busy));
    let refused = rig.drops.receive(new(id(5)), None, None, body(&content(LEN))).await;
    assert_eq!(refused.unwrap_err(), Failure::Busy);
    assert_eq!(rig.metric("transistor_pieces_in_memory"), 3);

    drop(senders);
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap().offset, 100);
    }
    assert_eq!(rig.metric("transistor_pieces_in_memory"), 0);
    assert!(rig.drops.append(&upload, 0, None, body(&content(LEN))).await.unwrap().complete);
    rig.end().await;
}
