//! What a server can do to members by lying: keep things from them, which they notice when anything follows, and
//! nothing else. It forges nothing, and a history that contradicts another stops whoever sees both, for good.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use core::time::Duration;
use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use api::{
    Body as _, StateAnswer, StateSnapshot,
    frames::{FrameReceipt, FramesPage, ServedFrameBytes, StreamEpoch},
    token::{Scope, TokenAnswer},
};
use e2e::cache_folder;
use futures_util::StreamExt as _;
use kith_client_sdk::{
    Client, Error, Group, LinkOptions, Options, Position, StoreKey, Suite, What, clock::ManualClock,
};
use protocol::{Receipt, Seq, ServedFrame, SigningKey, frame::Served};
use proxy::{Answer, Proxy};
use rand_core::UnwrapErr;
use site::{Site, person};
use tempfile::TempDir;
use tokio::time::timeout;

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/site.rs"]
mod site;

/// Far longer than any lie can hold a client up: it fails where one would hold it up for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ann and Ben in a group at a node they reach through the proxy.
struct Stage {
    folder: TempDir,
    proxy: Proxy,
    site: Site,
    ann: Group,
    ben: Group,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let proxy = Proxy::start().await;
        let site = Site::start(&folder.path().join("node"), Some(&proxy.url)).await;
        proxy.show(site.port);
        let (anns, bens) = (person(folder.path(), "Ann").await, person(folder.path(), "Ben").await);
        let ann = anns.create_group("Trip", &proxy.url, Suite::Aes256Gcm).await.unwrap();
        let link = ann.invite_link(LinkOptions::default()).await.unwrap();
        let ben = bens.join(&link).await.unwrap();
        ann.send_text("welcome").await.unwrap();
        let stage = Self { folder, proxy, site, ann, ben };
        // From here on Ben knows the node's key.
        stage.ben.send_text("thanks").await.unwrap();
        stage.ann.sync().await.unwrap();
        stage
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Syncs Ben, in bounded time, while the proxy lies.
    async fn deceive(&self, lie: impl FnMut(&mut Answer) + Send + 'static) -> Result<(), Error> {
        self.proxy.lie(lie);
        let outcome = timeout(PATIENCE, self.ben.sync()).await.expect("held up for ever");
        self.proxy.repent();
        outcome
    }

    /// Ben is as if nobody had lied: what was sent arrives once, in order.
    async fn unharmed(&self) {
        self.ben.sync().await.unwrap();
        assert_eq!(said(&self.ben).await, said(&self.ann).await);
        self.ann.send_text("and so on").await.unwrap();
        self.ben.sync().await.unwrap();
        assert_eq!(said(&self.ben).await, said(&self.ann).await);
        assert_agree(&self.ann, &self.ben).await;
    }

    async fn three_texts(&self) {
        for n in 1..4 {
            self.ann.send_text(&format!("text {n}")).await.unwrap();
        }
    }
}

async fn said(group: &Group) -> Vec<String> {
    let entries = group.entries(Position(0), 10_000).await.unwrap().into_iter();
    entries
        .filter_map(|entry| if let What::Text { text } = entry.what { Some(text) } else { None })
        .filter(|text| text != "welcome")
        .collect()
}

async fn assert_agree(ann: &Group, ben: &Group) {
    let (ann, ben) = (ann.info().await.unwrap(), ben.info().await.unwrap());
    assert_eq!((ann.standing, ben.standing), ("member", "member"));
    assert_eq!((ann.log_hash, ann.comparison), (ben.log_hash, ben.comparison));
}

/// A fork with its evidence, which stays whatever the server shows afterwards.
async fn assert_forked(group: &Group, error: Error, reason: &str) {
    let Error::Forked { seq, reason: given } = error else { panic!("{error:?}") };
    assert_eq!(given, reason);
    for _ in 0..2 {
        assert_eq!(group.info().await.unwrap().standing, "forked");
        for again in [
            group.sync().await,
            group.send_text("x").await.map(drop),
            group.update_keys().await,
            group.rejoin().await,
        ] {
            let Err(Error::Forked { seq: at, reason }) = again else { panic!("{again:?}") };
            assert_eq!((at, reason), (seq, given.clone()));
        }
    }
    // A follower is told, too, and the stream ends.
    let entries: Vec<_> =
        timeout(PATIENCE, group.follow(group.end().await.unwrap()).collect()).await.unwrap();
    assert!(matches!(entries.as_slice(), [Err(Error::Forked { .. })]), "{entries:?}");
}

fn frames(page: &FramesPage) -> Vec<ServedFrame> {
    page.frames.iter().map(|bytes| bytes.decode().unwrap()).collect()
}

fn bytes(served: &ServedFrame) -> ServedFrameBytes {
    ServedFrameBytes::new(served.encode())
}

/// Changes pages of at least `least` frames.
fn on_pages(
    least: usize,
    mut change: impl FnMut(&mut FramesPage) + Send + 'static,
) -> impl FnMut(&mut Answer) + Send + 'static {
    move |answer| {
        if answer.is_page() {
            let (mut page, from) = (answer.page(), answer.from());
            if page.frames.len() >= least {
                change(&mut page);
                answer.set_page(page, from);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_with_frames_left_out_repeated_reordered_or_cut_are_not_accepted() {
    let stage = Stage::set().await;
    stage.three_texts().await;
    let before = said(&stage.ben).await;

    let left_out = stage.deceive(on_pages(3, |page| drop(page.frames.remove(0)))).await.unwrap_err();
    assert_eq!(left_out.code(), "history_gap");
    assert_eq!(said(&stage.ben).await, before);

    let swapped = stage.deceive(on_pages(3, |page| page.frames.swap(0, 1))).await.unwrap_err();
    assert_eq!(swapped.code(), "history_gap");
    assert_eq!(said(&stage.ben).await, before);

    let cut = |page: &mut FramesPage| {
        let mut bytes = page.frames[0].as_bytes().to_vec();
        bytes.truncate(bytes.len() - 7);
        page.frames[0] = ServedFrameBytes::new(bytes);
    };
    assert_eq!(stage.deceive(on_pages(3, cut)).await.unwrap_err().code(), "bad_answer");

    // A page whose count is not that of its frames, and one that is no page.
    let miscounted = stage.deceive(|answer: &mut Answer| {
        if answer.is_page() {
            let mut page = answer.page();
            page.frames.pop();
            answer.body = page.to_protobuf();
        }
    });
    assert_eq!(miscounted.await.unwrap_err().code(), "unreachable");
    let half = stage.deceive(|answer: &mut Answer| {
        if answer.is_page() {
            answer.body.truncate(answer.body.len() / 2);
        }
    });
    assert_eq!(half.await.unwrap_err().code(), "unreachable");
    assert_eq!(said(&stage.ben).await, before);

    // Repeats are harmless.
    let repeated = |page: &mut FramesPage| {
        page.frames = page.frames.iter().flat_map(|frame| [frame.clone(), frame.clone()]).collect();
    };
    stage.deceive(on_pages(3, repeated)).await.unwrap();
    stage.unharmed().await;
    stage.site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_pages_served_again_and_a_promised_end_that_never_comes_hold_nobody_up() {
    let stage = Stage::set().await;
    stage.three_texts().await;
    let old = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&old);
    stage.deceive(on_pages(3, move |page| *seen.lock().unwrap() = Some(page.clone()))).await.unwrap();
    stage.ann.send_text("news").await.unwrap();
    // The page of before, again and again, and the end always ahead.
    let page = old.lock().unwrap().clone().unwrap();
    let asked = stage.proxy.asked();
    let replayed = stage.deceive(move |answer: &mut Answer| {
        if answer.is_page() {
            let from = answer.from();
            answer.set_page(FramesPage { head: Seq::new(1 << 40), ..page.clone() }, from);
        }
    });
    assert_eq!(replayed.await.unwrap_err().code(), "bad_answer");
    assert!(stage.proxy.asked() - asked < 10);
    // Nothing, and the end always ahead.
    let nothing = stage.deceive(move |answer: &mut Answer| {
        if answer.is_page() {
            let (page, from) = (answer.page(), answer.from());
            answer.set_page(FramesPage { head: Seq::new(1 << 40), frames: Vec::new(), ..page }, from);
        }
    });
    nothing.await.unwrap();
    assert!(!said(&stage.ben).await.contains(&"news".to_owned()));
    stage.unharmed().await;
    stage.site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_put_at_each_others_places_fork() {
    let stage = Stage::set().await;
    stage.three_texts().await;
    // Each at the other's position, so that nothing is missing and nothing comes twice.
    let swapped = stage.deceive(on_pages(3, |page| {
        let frames = frames(page);
        let at = |seq: &ServedFrame, content: &ServedFrame| ServedFrame {
            seq: seq.seq,
            received_at_ms: seq.received_at_ms,
            content: content.content.clone(),
        };
        page.frames[0] = bytes(&at(&frames[0], &frames[1]));
        page.frames[1] = bytes(&at(&frames[1], &frames[0]));
    }));
    let error = swapped.await.unwrap_err();
    assert_forked(&stage.ben, error, "log_hash_mismatch").await;
    assert!(!said(&stage.ben).await.iter().any(|text| text.starts_with("text")));
    // Also for a program that starts anew.
    let ben = person(stage.folder(), "Ben").await.group("Trip").await.unwrap();
    assert_eq!(ben.info().await.unwrap().standing, "forked");
    stage.site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_withheld_is_noticed_with_the_next_one_whoever_sends_it() {
    for ann_is_next in [true, false] {
        let stage = Stage::set().await;
        stage.ann.send_text("withheld").await.unwrap();
        // Another frame stands in for it, as if the node had never had it: here one of before.
        let kept = Arc::new(Mutex::new(None));
        let seen = Arc::clone(&kept);
        stage
            .deceive(on_pages(1, move |page| {
                let mut frames = frames(page);
                let hash = frames[0].hash();
                seen.lock().unwrap().get_or_insert(hash);
                frames[0].content = Served::MessageHash(protocol::FrameHash::new([5; 32]));
                page.frames[0] = bytes(&frames[0]);
            }))
            .await
            .unwrap();
        assert!(!said(&stage.ben).await.contains(&"withheld".to_owned()));
        let error = if ann_is_next {
            stage.ann.send_text("next").await.unwrap();
            let error = stage.ben.sync().await.unwrap_err();
            assert!(!said(&stage.ben).await.contains(&"next".to_owned()));
            (error, "log_hash_mismatch")
        } else {
            (stage.ben.send_text("mine").await.unwrap_err(), "receipt_mismatch")
        };
        assert_forked(&stage.ben, error.0, error.1).await;
        stage.site.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_damaged_once_is_fetched_again_and_damaged_twice_is_a_fork() {
    let stage = Stage::set().await;
    stage.ann.update_keys().await.unwrap();
    let damage = |page: &mut FramesPage| {
        let mut frames = frames(page);
        if let Served::Frame(frame) = &mut frames[0].content {
            frame.proofs[0] = frame
                .proofs
                .last()
                .map(|proof| {
                    let mut proof = *proof;
                    proof.rotate_left(1);
                    proof
                })
                .unwrap();
        }
        page.frames[0] = bytes(&frames[0]);
    };
    let mut first = true;
    stage
        .deceive(on_pages(1, move |page| {
            if core::mem::take(&mut first) {
                damage(page);
            }
        }))
        .await
        .unwrap();
    stage.unharmed().await;

    stage.ann.update_keys().await.unwrap();
    let before = stage.ben.info().await.unwrap();
    let error = stage.deceive(on_pages(1, damage)).await.unwrap_err();
    assert_eq!(stage.ben.info().await.unwrap().epoch, before.epoch, "it stands where it stood");
    assert_forked(&stage.ben, error, "bad_proof").await;
    stage.site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stream_repeats_leaves_out_or_reorders_arrives_once_and_in_order() {
    let stage = Stage::set().await;
    let mut heard = Box::pin(stage.ben.follow(stage.ben.end().await.unwrap()));
    let mut n = 0_u32;
    let mut late = VecDeque::new();
    stage.proxy.lie_in_streams(move |event| {
        if !event.contains("event: frame") && !event.contains("event:frame") {
            return Some(vec![event]);
        }
        n += 1;
        match n % 5 {
            0 => Some(vec![event.clone(), event.clone(), event]),
            1 => Some(vec![]),
            2 => {
                late.push_back(event);
                Some(vec![])
            }
            3 => Some([event].into_iter().chain(late.drain(..)).collect()),
            _ => None,
        }
    });
    let sent: Vec<String> = (0..12).map(|n| format!("text {n}")).collect();
    let send = async {
        for text in &sent {
            stage.ann.send_text(text).await.unwrap();
        }
        // What the last one left out is known to be missing once something follows.
        stage.proxy.repent();
        stage.ann.send_text("end").await.unwrap();
    };
    let listen = async {
        let mut texts = Vec::new();
        while let Some(entry) = heard.next().await {
            if let What::Text { text } = entry.unwrap().what {
                if text == "end" {
                    break;
                }
                texts.push(text);
            }
        }
        texts
    };
    let ((), texts) = timeout(PATIENCE, async { tokio::join!(send, listen) }).await.unwrap();
    assert_eq!(texts, sent);
    drop(heard);
    stage.unharmed().await;
    stage.site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_at_once_is_opened_again_ever_more_slowly() {
    let stage = Stage::set().await;
    let clock = ManualClock::new(kith_client_sdk::clock::Clock::now(&kith_client_sdk::clock::SystemClock));
    let mut options =
        Options::new(stage.folder().join("ben"), StoreKey::from_bytes(&[7; 32]), cache_folder().unwrap());
    options.clock = Arc::new(clock.clone());
    let ben: Client = Client::open(options).await.unwrap();
    let ben = ben.group("Trip").await.unwrap();
    stage.proxy.lie_in_streams(|_| None);
    let mut heard = Box::pin(ben.follow(ben.end().await.unwrap()));
    let listening = tokio::spawn(async move { heard.next().await });
    let mut longest = Duration::ZERO;
    for round in 1..6 {
        // The clock stands still: a client that does not wait goes on asking.
        let waiting = async {
            clock.sleepers_until(|left| left.iter().any(|left| *left < Duration::from_secs(20))).await;
        };
        timeout(PATIENCE, waiting).await.unwrap();
        assert!(stage.proxy.streams() <= round, "{} streams in round {round}", stage.proxy.streams());
        let wait = clock.sleepers()[0];
        longest = longest.max(wait);
        clock.advance(wait);
        timeout(PATIENCE, clock.sleepers_until(|left| left.first() != Some(&Duration::ZERO))).await.unwrap();
    }
    assert!(longest >= Duration::from_secs(1), "{longest:?}");
    listening.abort();
    stage.site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_joiner_served_another_state_does_not_join_on_it() {
    let stage = Stage::set().await;
    let link = stage.ann.invite_link(LinkOptions::default()).await.unwrap();
    let old: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let cleo = person(stage.folder(), "Cleo").await;
    let (kept, server) = (Arc::clone(&old), stage.proxy.url.clone());
    // The state of an epoch is kept for later.
    stage.proxy.lie(move |answer| {
        if answer.path.contains("/tree") && answer.status == 200 {
            let mut kept = kept.lock().unwrap();
            let state = StateAnswer::from_protobuf(&answer.body).unwrap();
            *kept = Some(state.state.as_bytes().to_vec());
            answer.status = 503;
        }
    });
    timeout(PATIENCE, cleo.join(&link)).await.unwrap().unwrap_err();
    let state = old.lock().unwrap().take().unwrap();
    stage.ann.update_keys().await.unwrap();
    let later = stage.ann.invite_link(LinkOptions::default()).await.unwrap();
    // What follows the middle names positions and earlier epochs: no anchor covers it, and no joiner believes it.
    let lies = [1, 2, 3].map(|part| {
        let mut state = state.clone();
        let at = state.len() * part / 6;
        state[at] ^= 1;
        (link.to_string(), state)
    });
    for (link, state) in
        lies.into_iter().chain([(later.to_string(), state.clone()), (link.to_string(), vec![])])
    {
        stage.proxy.lie(move |answer| {
            if answer.path.contains("/tree") && answer.status == 200 {
                let mut lie = StateAnswer::from_protobuf(&answer.body).unwrap();
                lie.state = StateSnapshot::new(state.clone());
                answer.body = lie.to_protobuf();
            }
        });
        let error = timeout(PATIENCE, cleo.join(&link)).await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::Forked { reason, .. } if reason == "state_mismatch"), "{error:?}");
        assert!(cleo.groups().await.unwrap().is_empty());
    }
    // Operations kept from a joiner: what it would make nobody could take.
    stage.proxy.lie(on_pages(2, |page| drop(page.frames.remove(0))));
    let error = timeout(PATIENCE, cleo.join(&link)).await.unwrap().unwrap_err();
    assert_eq!(error.code(), "gap", "{error:?}");
    assert!(cleo.groups().await.unwrap().is_empty());
    stage.proxy.repent();
    let cleo = cleo.join(&link).await.unwrap();
    assert_eq!(cleo.info().await.unwrap().server, server);
    stage.ann.sync().await.unwrap();
    assert_agree(&stage.ann, &cleo).await;
    stage.unharmed().await;
    stage.site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_is_not_the_nodes_is_refused_and_the_message_is_sent_once() {
    let stage = Stage::set().await;
    let stranger = SigningKey::generate(&mut UnwrapErr(getrandom::SysRng));
    let forge = move |change: fn(&mut Receipt, &SigningKey)| {
        let stranger = stranger.clone();
        move |answer: &mut Answer| {
            if answer.post && answer.path.contains("/frames") && answer.status == 200 {
                let mut receipt = FrameReceipt::from_protobuf(&answer.body).unwrap();
                change(&mut receipt.receipt, &stranger);
                answer.body = receipt.to_protobuf();
            }
        }
    };
    // Well signed by another key.
    stage.proxy.lie(forge(|receipt, stranger| {
        *receipt = Receipt::sign(stranger, receipt.group, receipt.seq, receipt.log, receipt.received_at_ms);
    }));
    let error = timeout(PATIENCE, stage.ben.send_text("other key")).await.unwrap().unwrap_err();
    assert_eq!(error.code(), "bad_receipt");
    // By the node's key, for something else.
    stage.proxy.lie(forge(|receipt, _| receipt.log = protocol::LogHash::new([8; 32])));
    let error = timeout(PATIENCE, stage.ben.send_text("other log")).await.unwrap().unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    stage.proxy.repent();
    stage.ben.sync().await.unwrap();
    stage.ann.sync().await.unwrap();
    for words in ["other key", "other log"] {
        assert_eq!(said(&stage.ann).await.iter().filter(|text| *text == words).count(), 1, "{words}");
    }
    stage.unharmed().await;
    stage.site.stop().await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Two nodes with one key and one past, behind one address.
async fn two_faces() -> (Stage, Site) {
    let mut stage = Stage::set().await;
    let data = stage.folder().join("node");
    let other = stage.folder().join("other");
    let Stage { folder, proxy, site, ann, ben } = stage;
    site.stop().await;
    copy(&data, &other);
    let site = Site::start(&data, Some(&proxy.url)).await;
    let second = Site::start(&other, Some(&proxy.url)).await;
    proxy.show(site.port);
    stage = Stage { folder, proxy, site, ann, ben };
    (stage, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_histories_shown_to_two_members_never_both_go_on_once_they_meet() {
    let (stage, second) = two_faces().await;
    stage.ann.send_text("to one").await.unwrap();
    stage.proxy.show(second.port);
    stage.ben.send_text("to the other").await.unwrap();
    // Apart, neither can know.
    assert_eq!(stage.ann.info().await.unwrap().standing, "member");
    assert_eq!(stage.ben.info().await.unwrap().standing, "member");
    // Ben is shown the first history, from where both are the same length.
    stage.proxy.show(stage.site.port);
    stage.ann.send_text("again").await.unwrap();
    let error = stage.ben.sync().await.unwrap_err();
    assert_forked(&stage.ben, error, "log_hash_mismatch").await;
    assert!(!said(&stage.ben).await.iter().any(|text| text == "to one" || text == "again"));
    // Back at the second it stays so.
    stage.proxy.show(second.port);
    assert!(matches!(stage.ben.sync().await, Err(Error::Forked { .. })));
    stage.site.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_of_the_other_history_forks_too() {
    let (stage, second) = two_faces().await;
    stage.ann.send_text("to one").await.unwrap();
    stage.proxy.show(second.port);
    stage.ben.send_text("to the other").await.unwrap();
    // Messages change no state, so that the operation itself would fit.
    stage.proxy.show(stage.site.port);
    stage.ann.update_keys().await.unwrap();
    let error = stage.ben.sync().await.unwrap_err();
    assert_forked(&stage.ben, error, "log_hash_mismatch").await;
    stage.site.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_for_a_history_other_than_the_one_served_forks() {
    let (stage, second) = two_faces().await;
    stage.ann.send_text("to one").await.unwrap();
    // What Ben sends goes to the second history; what he reads is the first.
    let receipts = Arc::new(Mutex::new(Vec::<Vec<u8>>::new()));
    let kept = Arc::clone(&receipts);
    stage.proxy.show(second.port);
    stage.proxy.lie(move |answer| {
        if answer.post && answer.path.contains("/frames") && answer.status == 200 {
            kept.lock().unwrap().push(answer.body.clone());
            // The answer is lost, for now.
            answer.status = 500;
        }
    });
    timeout(PATIENCE, stage.ben.send_text("mine")).await.unwrap().unwrap_err();
    let receipt = receipts.lock().unwrap().first().cloned().unwrap();
    stage.proxy.show(stage.site.port);
    stage.proxy.lie(move |answer| {
        if answer.post && answer.path.contains("/frames") {
            (answer.status, answer.body) = (200, receipt.clone());
        }
    });
    let error = timeout(PATIENCE, stage.ben.sync()).await.unwrap().unwrap_err();
    stage.proxy.repent();
    assert_forked(&stage.ben, error, "receipt_mismatch").await;
    stage.site.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_is_not_shown_is_not_believed() {
    let stage = Stage::set().await;
    let link = stage.ann.invite_link(LinkOptions::default()).await.unwrap();
    let cleo = person(stage.folder(), "Cleo").await.join(&link).await.unwrap();
    stage.ann.sync().await.unwrap();
    stage.ann.remove("Cleo").await.unwrap();
    stage.ann.update_keys().await.unwrap();
    drop(cleo);
    // Everything in the log, to be shown as the frame that removes Ben.
    let log = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&log);
    stage.deceive(on_pages(1, move |page| seen.lock().unwrap().extend(frames(page)))).await.unwrap();
    let mut shown: Vec<ServedFrame> = log.lock().unwrap().clone();
    assert!(shown.iter().any(|served| {
        served.frame().is_some_and(|frame| frame.head().body.kind() == protocol::head::Kind::RemoveMembers)
    }));
    // And none of them at the position that comes next for Ben.
    for served in shown.clone() {
        let far = ServedFrame { seq: Seq::new(served.seq.get() + 1_000), ..served };
        shown.push(far);
    }
    stage.ann.send_text("news").await.unwrap();
    let ben_key = stage.ben.info().await.unwrap();
    for served in shown {
        let page = FramesPage {
            stream_epoch: StreamEpoch::new(1),
            frames: vec![bytes(&served)],
            next: Seq::new(served.seq.get() + 1),
            head: served.seq,
            horizon: Seq::ZERO,
        };
        // A fresh program, which has no token yet.
        let ben = person(stage.folder(), "Ben").await.group("Trip").await.unwrap();
        stage.proxy.lie(move |answer| {
            if answer.post && answer.path.contains("/tokens") && answer.status == 200 {
                let token = TokenAnswer::from_protobuf(&answer.body).unwrap();
                answer.body = TokenAnswer { scope: Scope::Removal, ..token }.to_protobuf();
            }
            if answer.path.contains("/removal") {
                (answer.status, answer.body) = (200, page.to_protobuf());
            }
        });
        let error = timeout(PATIENCE, ben.sync()).await.unwrap().unwrap_err();
        assert_eq!(error.code(), "removal_not_shown", "{error:?}");
        assert_eq!(ben.info().await.unwrap().standing, "member");
    }
    // Garbage, and nothing.
    for frames in [vec![ServedFrameBytes::new(vec![1, 2, 3])], Vec::new()] {
        let ben = person(stage.folder(), "Ben").await.group("Trip").await.unwrap();
        stage.proxy.lie(move |answer| {
            if answer.post && answer.path.contains("/tokens") && answer.status == 200 {
                let token = TokenAnswer::from_protobuf(&answer.body).unwrap();
                answer.body = TokenAnswer { scope: Scope::Removal, ..token }.to_protobuf();
            }
            if answer.path.contains("/removal") {
                let page = FramesPage {
                    stream_epoch: StreamEpoch::new(1),
                    frames: frames.clone(),
                    next: Seq::ZERO,
                    head: Seq::ZERO,
                    horizon: Seq::ZERO,
                };
                (answer.status, answer.body) = (200, page.to_protobuf());
            }
        });
        timeout(PATIENCE, ben.sync()).await.unwrap().unwrap_err();
        assert_eq!(ben.info().await.unwrap().standing, "member");
    }
    stage.proxy.repent();
    assert_eq!(stage.ben.info().await.unwrap().epoch, ben_key.epoch);
    stage.unharmed().await;
    stage.site.stop().await;
}
