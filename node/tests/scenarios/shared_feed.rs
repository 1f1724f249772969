//! Two nodes on one log that hear of each other by NATS: what it brings is only as good as what is checked, and what it
//! does not bring is found all the same.

use std::time::Duration;

use api::{events::Event, frames::FrameReceipt};
use bytes::Bytes;
use frame_feed_nats::FrameMessage;
use frame_log::{Limit, LogLife, StoredRecord};
use protocol::{FrameHash, FrameId, GroupId, Seq};
use service_kit::config::Period;

use crate::kit::{
    Broker, Made, Site, SiteOptions, Stream, generous,
    nats::{publish, secrets},
    site::soon,
};

fn heard(site: &Site, outcome: &str) -> u64 {
    site.measured(&format!("node_feed_heard_total{{outcome=\"{outcome}\"}}"))
}

/// Waits until something has become true.
async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// A stream of all from a position on, behind its first event.
async fn stream(site: &Site, group: &GroupId, from: Option<u64>, token: &api::token::Token) -> Stream {
    let mut stream = site.follow(group, from, None, token).await.ok().unwrap();
    assert!(matches!(soon(stream.next()).await, Some(Event::Open { .. })));
    stream
}

/// Waits until the subscription to a group stands, as the server sees it, and the looks of its beginning are over.
async fn listening(broker: &Broker, site: &Site, group: &GroupId) {
    let asked = broker.connect().await;
    soon(async { while !broker.is_listened_to(&asked, group).await {} }).await;
    let before = heard(site, "gap").max(2);
    until(|| heard(site, "gap") >= before).await;
}

/// Whatever a stream shows is what the log holds, from a position on, each once.
async fn exact(site: &Site, group: &GroupId, from: u64, streams: &mut [Stream]) {
    let page = site.store.read(group, Seq::new(from), Limit::MAX).await.unwrap();
    for stream in streams {
        for record in &page.records {
            let served = soon(stream.frame()).await;
            assert_eq!((served.seq, served.hash()), (record.seq, record.th));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_gets_what_the_other_node_took() {
    let broker = Broker::start().await;
    let (one, two) = broker.pair(SiteOptions::default).await;
    let _relay = broker.relay(&one).await;
    let mut club = one.pair(80).await;
    let (group, token) = (club.group(), one.root_token(&mut club).await);
    let mut there = stream(&two, &group, None, &token).await;
    listening(&broker, &two, &group).await;
    for n in 0..20_u8 {
        let made = if n % 5 == 4 { club.update(0) } else { club.message(&[n; 40]) };
        one.accept(&mut club, made).await;
    }
    exact(&one, &group, 3, std::slice::from_mut(&mut there)).await;
    // It came by NATS, operations too, and not by looking or by the log.
    assert_eq!(heard(&two, "folded"), 20);
    assert_eq!(two.measured("node_feed_fallbacks_total"), 0);
    assert_eq!(two.measured("node_feed_connected"), 1);
    assert!(one.node.is_ready() && two.node.is_ready());
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_winner_for_every_position() {
    let broker = Broker::start().await;
    let (one, two) = broker.pair(SiteOptions::default).await;
    let _relay = broker.relay(&one).await;
    let mut club = one.pair(81).await;
    let (group, token) = (club.group(), one.root_token(&mut club).await);
    let mut streams =
        vec![stream(&one, &group, Some(0), &token).await, stream(&two, &group, Some(0), &token).await];
    let messages: Vec<Made> = (0..60_u8).map(|n| club.message(&[n; 20])).collect();
    let (odd, even): (Vec<_>, Vec<_>) = messages.iter().enumerate().partition(|(n, _)| n % 2 == 1);
    let send = async |site: &Site, mine: Vec<(usize, &Made)>| {
        let mut receipts = Vec::new();
        for (_, made) in mine {
            receipts.push(site.post(made).await.decode::<FrameReceipt>());
        }
        receipts
    };
    let (a, b) = soon(async { tokio::join!(send(&one, odd), send(&two, even)) }).await;
    let mut positions: Vec<u64> = a.iter().chain(&b).map(|receipt| receipt.receipt.seq.get()).collect();
    positions.sort_unstable();
    assert_eq!(positions, (3..=62).collect::<Vec<_>>());
    exact(&one, &group, 0, &mut streams).await;
    // Whoever folded what: both say the same of the log's end.
    let last = a.iter().chain(&b).max_by_key(|receipt| receipt.receipt.seq).unwrap();
    for site in [&one, &two] {
        let again = messages.iter().find(|made| {
            made.frame.hash() == {
                // The last one, wherever it was taken.
                let stored = &last.receipt;
                let page =
                    futures_util::FutureExt::now_or_never(one.store.read(&group, stored.seq, Limit::MAX));
                page.unwrap().unwrap().records[0].th
            }
        });
        let receipt: FrameReceipt = site.post(again.unwrap()).await.decode();
        assert!(receipt.duplicate);
        assert_eq!((receipt.receipt.seq, receipt.receipt.log), (last.receipt.seq, last.receipt.log));
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_of_a_killed_node_go_on_at_the_other() {
    let broker = Broker::start().await;
    let (one, two) = broker.pair(SiteOptions::default).await;
    let relay = broker.relay(&two).await;
    let mut club = two.pair(82).await;
    let (group, token) = (club.group(), two.root_token(&mut club).await);
    let mut there = stream(&one, &group, None, &token).await;
    let mut last = None;
    for n in 0..5_u8 {
        let message = club.message(&[n; 30]);
        two.accept(&mut club, message).await;
        match soon(there.next()).await {
            Some(Event::Frame { id, .. }) => last = Some(id),
            other => panic!("{other:?}"),
        }
    }
    one.kill();
    // While nobody follows anywhere.
    for n in 5..10_u8 {
        let message = club.message(&[n; 30]);
        two.accept(&mut club, message).await;
    }
    let id = last.unwrap().to_string();
    let mut again = two.follow(&group, None, Some(&id), &token).await.ok().unwrap();
    assert!(matches!(soon(again.next()).await, Some(Event::Open { .. })));
    for n in 10..15_u8 {
        let message = club.message(&[n; 30]);
        two.accept(&mut club, message).await;
    }
    exact(&two, &group, 8, std::slice::from_mut(&mut again)).await;
    drop(relay);
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_was_lost_is_given_by_either_node() {
    let broker = Broker::start().await;
    let (one, two) = broker.pair(SiteOptions::default).await;
    let mut club = one.pair(92).await;
    for n in 0..10_u8 {
        let made = if n == 5 { club.update(0) } else { club.message(&[n; 30]) };
        let (first, second) = if n % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let receipt = first.accept(&mut club, made.clone()).await;
        // Nobody heard it, so the frame is sent again, elsewhere.
        let again: FrameReceipt = second.post(&made).await.decode();
        assert!(again.duplicate);
        assert_eq!((again.receipt.seq, again.receipt.log), (receipt.receipt.seq, receipt.receipt.log));
        // And at both at once.
        let made = club.message(&[n; 31]);
        let (a, b) = soon(async { tokio::join!(one.post(&made), two.post(&made)) }).await;
        let (a, b): (FrameReceipt, FrameReceipt) = (a.decode(), b.decode());
        assert!(a.duplicate != b.duplicate);
        assert_eq!((a.receipt.seq, a.receipt.log), (b.receipt.seq, b.receipt.log));
        club.apply(&made);
        assert_eq!(a.receipt.log, club.state.log());
    }
    one.stop().await;
    two.stop().await;
}

/// Follows a group to a position, leaving every few frames and coming back at the other node.
async fn wander(
    sites: [&Site; 2],
    group: GroupId,
    token: api::token::Token,
    seed: u64,
    last: u64,
) -> Vec<FrameHash> {
    let (mut seen, mut id, mut turn) = (Vec::new(), None::<String>, seed);
    while (seen.len() as u64) <= last {
        let site = sites[usize::try_from(turn % 2).unwrap()];
        let from = id.is_none().then_some(0);
        let mut stream = site.follow(&group, from, id.as_deref(), &token).await.ok().unwrap();
        assert!(matches!(stream.next().await, Some(Event::Open { .. })));
        for _ in 0..=(turn * 7 + seed) % 11 {
            if seen.len() as u64 > last {
                break;
            }
            match stream.next().await {
                Some(Event::Frame { id: at, frame }) => {
                    let served = frame.decode().unwrap();
                    assert_eq!(served.seq.get(), seen.len() as u64);
                    seen.push(served.hash());
                    id = Some(at.to_string());
                }
                other => panic!("{other:?}"),
            }
        }
        turn += 1;
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_come_and_go_between_nodes_miss_nothing() {
    const LAST: u64 = 150;
    let broker = Broker::start().await;
    let (one, two) = broker.pair(SiteOptions::default).await;
    let _relay = broker.relay(&one).await;
    let mut club = one.found(93).await;
    let (group, token) = (club.group(), one.root_token(&mut club).await);
    let readers = (0..24).map(|seed| wander([&one, &two], group, token.clone(), seed, LAST));
    let writing = async {
        for n in 1..=LAST {
            let message = club.message(&n.to_be_bytes());
            let site = if n % 3 == 0 { &one } else { &two };
            assert_eq!(site.post(&message).await.status, 200);
        }
    };
    let both = async { tokio::join!(futures_util::future::join_all(readers), writing) };
    let (read, ()) = tokio::time::timeout(Duration::from_secs(60), both).await.unwrap();
    let page = one.store.read(&group, Seq::ZERO, Limit::MAX).await.unwrap();
    let stored: Vec<FrameHash> = page.records.iter().map(|record| record.th).collect();
    for seen in read {
        assert_eq!(seen, stored);
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_may_die_and_come_back() {
    let mut broker = Broker::start().await;
    let (one, two) = broker.pair(SiteOptions::default).await;
    let _relay = broker.relay(&one).await;
    let mut club = one.found(83).await;
    let (group, token) = (club.group(), one.root_token(&mut club).await);
    let mut there = stream(&two, &group, None, &token).await;
    listening(&broker, &two, &group).await;
    let message = club.message(b"by NATS");
    one.accept(&mut club, message).await;
    assert_eq!(soon(there.frame()).await.seq, Seq::new(1));

    broker.server.kill().unwrap();
    until(|| two.measured("node_feed_connected") == 0).await;
    for n in 2..12_u8 {
        let message = club.message(&[n; 30]);
        one.accept(&mut club, message).await;
    }
    exact(&one, &group, 2, std::slice::from_mut(&mut there)).await;
    assert_eq!(two.measured("node_feed_fallbacks_total"), 1);
    assert!(two.node.is_ready());

    broker.server.restart().await.unwrap();
    until(|| two.measured("node_feed_connected") == 1).await;
    listening(&broker, &two, &group).await;
    let _relay = broker.relay(&one).await;
    let folded = heard(&two, "folded");
    for n in 12..22_u8 {
        let message = club.message(&[n; 30]);
        one.accept(&mut club, message).await;
    }
    exact(&one, &group, 12, std::slice::from_mut(&mut there)).await;
    assert!(heard(&two, "folded") > folded);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_without_nats() {
    let mut broker = Broker::start().await;
    broker.server.kill().unwrap();
    let site = Site::with(SiteOptions {
        nats: Some((broker.begin().await, broker.names.clone())),
        ..SiteOptions::default()
    })
    .await;
    until(|| site.node.is_ready()).await;
    let mut club = site.found(84).await;
    let (group, token) = (club.group(), site.root_token(&mut club).await);
    let mut stream = stream(&site, &group, Some(0), &token).await;
    assert_eq!(soon(stream.frame()).await.seq, Seq::ZERO);
    broker.server.restart().await.unwrap();
    until(|| site.measured("node_feed_connected") == 1).await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_change_nothing() {
    let broker = Broker::start().await;
    let (one, two) = broker.pair(SiteOptions::default).await;
    let mut club = one.found(85).await;
    let other = one.found(86).await;
    let (group, token) = (club.group(), one.root_token(&mut club).await);
    let mut there = stream(&two, &group, None, &token).await;
    listening(&broker, &two, &group).await;
    let liar = broker.connect().await;
    let (key, life) = secrets(&one.store).await;
    let record_of = |made: &Made, seq: u64| StoredRecord {
        seq: Seq::new(seq),
        frame: Some(Bytes::from(made.bytes.clone())),
        frame_id: made.frame.head().frame_id,
        th: made.frame.hash(),
        received_at: frame_log::UnixMillis::new(1),
        epoch: club.state.epoch(),
        is_operation: false,
    };
    // A message that any member can make and sign, which the log has never seen.
    let never = {
        let mut club = crate::kit::Club { log: Vec::new(), ..crate::kit::Club::found(85).0 };
        club.message(b"never stored")
    };
    let honest = FrameMessage { life, group, record: record_of(&never, 1), place: None };

    // Whoever asked whether somebody listens has been refused, too.
    let before = heard(&two, "refused");
    // By somebody without the key: refused without a look at the log.
    publish(&liar, &broker.names, &frame_feed_nats::FeedKey::new([0; 32]), &honest).await;
    until(|| heard(&two, "refused") == before + 1).await;
    // With the key, but of another life.
    let foreign = FrameMessage { life: LogLife::new(life.get() + 1), ..honest.clone() };
    publish(&liar, &broker.names, &key, &foreign).await;
    until(|| heard(&two, "other_life") == 1).await;
    // With the key, and a record that is not what it says: the log is read instead.
    let wrong = |change: &dyn Fn(&mut StoredRecord)| {
        let mut message = honest.clone();
        change(&mut message.record);
        message
    };
    let epoch = protocol::Epoch::new(9);
    let lies: [FrameMessage; 5] = [
        wrong(&|record| record.th = FrameHash::new([1; 32])),
        wrong(&|record| record.frame_id = FrameId::new([1; 16])),
        wrong(&|record| record.is_operation = true),
        wrong(&|record| record.epoch = epoch),
        wrong(&|record| record.frame = Some(Bytes::from_static(b"no frame at all"))),
    ];
    for (n, lie) in lies.iter().enumerate() {
        publish(&liar, &broker.names, &key, lie).await;
        until(|| heard(&two, "refused") == before + 2 + n as u64).await;
    }
    // A frame of another group under this one's subject.
    let init = Made::changed(&club_init(&other), |_| ());
    let mixed =
        FrameMessage { record: StoredRecord { is_operation: true, ..record_of(&init, 1) }, ..honest.clone() };
    publish(&liar, &broker.names, &key, &mixed).await;
    until(|| heard(&two, "refused") == before + 7).await;
    // What is known already, and what is far beyond.
    let old = FrameMessage { record: record_of(&never, 0), ..honest.clone() };
    publish(&liar, &broker.names, &key, &old).await;
    until(|| heard(&two, "known") == 1).await;
    let beyond = FrameMessage { record: record_of(&never, 77), ..honest };
    publish(&liar, &broker.names, &key, &beyond).await;
    until(|| heard(&two, "ahead") == 1).await;

    // None of it was folded or shown; the group goes on where its log is.
    assert_eq!(heard(&two, "folded"), 0);
    assert_eq!(two.measured("node_groups_broken_total"), 0);
    let relay = broker.relay(&one).await;
    let message = club.message(b"the truth");
    one.accept(&mut club, message).await;
    exact(&one, &group, 1, std::slice::from_mut(&mut there)).await;
    assert_eq!(heard(&two, "folded"), 1);
    drop(relay);
    one.stop().await;
    two.stop().await;
}

/// The frame a club was founded with.
fn club_init(club: &crate::kit::Club) -> Made {
    let (_, init) = crate::kit::Club::found(86);
    assert_eq!(init.group(), club.group());
    init
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nats_does_not_bring_is_found_by_looking() {
    let broker = Broker::start().await;
    let (one, two) = broker
        .pair(|| {
            let mut config = generous();
            config.feed.look_every = Period::from_millis(200);
            SiteOptions { config, ..SiteOptions::default() }
        })
        .await;
    // No relay runs, and NATS is there: the silence is complete.
    let mut club = one.found(87).await;
    let (group, token) = (club.group(), one.root_token(&mut club).await);
    let mut there = stream(&two, &group, None, &token).await;
    listening(&broker, &two, &group).await;
    for n in 0..10_u8 {
        let message = club.message(&[n; 30]);
        one.accept(&mut club, message).await;
    }
    exact(&one, &group, 1, std::slice::from_mut(&mut there)).await;
    assert_eq!(heard(&two, "folded"), 0);
    assert!(two.measured("node_feed_looks_total{found=\"news\"}") > 0);
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_followed_groups_are_listened_to() {
    let broker = Broker::start().await;
    let (one, two) = broker.pair(SiteOptions::default).await;
    let _relay = broker.relay(&one).await;
    let asked = broker.connect().await;
    let (mut club, mut other) = (one.found(88).await, one.found(89).await);
    let (token, unfollowed) = (one.root_token(&mut club).await, one.root_token(&mut other).await);
    // Active, and read, at both nodes: no reason to listen.
    for site in [&one, &two] {
        assert_eq!(site.page(&club.group(), 0, &token).await.head, Seq::ZERO);
        assert_eq!(site.page(&other.group(), 0, &unfollowed).await.head, Seq::ZERO);
    }
    assert!(!broker.is_listened_to(&asked, &club.group()).await);
    let there = stream(&two, &club.group(), None, &token).await;
    soon(async { while !broker.is_listened_to(&asked, &club.group()).await {} }).await;
    assert!(!broker.is_listened_to(&asked, &other.group()).await);
    // Some time after the last follower has gone, nobody listens any more.
    drop(there);
    soon(async { while broker.is_listened_to(&asked, &club.group()).await {} }).await;
    one.stop().await;
    two.stop().await;
}
