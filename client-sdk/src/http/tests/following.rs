//! Following a log over links that break in every way.

use std::collections::BTreeMap;

use api::{
    ErrorCode,
    events::{Event, Extent, HEARTBEAT, ResetReason},
    frames::{EventId, ServedFrameBytes, StreamEpoch},
};
use core::{convert::Infallible, pin::Pin};
use futures_util::{Stream, StreamExt};
use proptest::prelude::*;
use protocol::{FrameHash, ServedFrame, frame::Served};

use super::*;

const LIFE: StreamEpoch = StreamEpoch::new(5);

fn served(seq: u64) -> ServedFrameBytes {
    let content = Served::MessageHash(FrameHash::new([u8::try_from(seq % 256).unwrap(); 32]));
    ServedFrameBytes::from(&ServedFrame { seq: Seq::new(seq), received_at_ms: seq, content })
}

fn text(event: &Event) -> Part {
    Part::Bytes(event.to_text().into())
}

fn frame(seq: u64) -> Part {
    text(&Event::Frame { id: EventId { stream_epoch: LIFE, seq: Seq::new(seq) }, frame: served(seq) })
}

fn extent(head: u64) -> Extent {
    Extent { stream_epoch: LIFE, head: Seq::new(head), horizon: Seq::ZERO }
}

fn open(next: u64) -> Part {
    text(&Event::Open { extent: extent(99), next: Seq::new(next) })
}

fn page(from: u64, count: u64) -> Reply {
    Reply::body(&FramesPage {
        stream_epoch: LIFE,
        frames: (from..from + count).map(served).collect(),
        next: Seq::new(from + count),
        head: Seq::new(99),
        horizon: Seq::ZERO,
    })
}

type Items = Pin<Box<dyn Stream<Item = Result<Followed, FollowError<Infallible>>> + Send>>;

/// Follows with the tokens `t0`, `t1`, …, one for each time that one is asked for.
fn follow(client: &NodeClient, start: impl Into<Start>) -> (Items, Arc<Mutex<Vec<Option<Token>>>>) {
    let asked = Arc::<Mutex<Vec<Option<Token>>>>::default();
    let log = Arc::clone(&asked);
    let stream = client.follow(GROUP, start.into(), move |refused| {
        let mut log = log.lock().unwrap();
        let next = token(&format!("t{}", log.len()));
        log.push(refused);
        async move { Ok(next) }
    });
    (Box::pin(stream), asked)
}

/// What was followed, in short.
#[derive(Debug, PartialEq, Eq)]
enum Short {
    Frame(u64),
    Reset(ResetReason),
    Online,
    Offline(Option<ErrorCode>),
    Failed(Option<ErrorCode>),
}

use Short::{Failed, Frame, Offline, Online, Reset};

async fn short(items: &mut Items) -> Option<Short> {
    Some(match items.next().await? {
        Ok(Followed::Frame { stream_epoch, frame }) => {
            assert_eq!(stream_epoch, LIFE);
            assert_eq!(*frame, served(frame.seq.get()).decode().unwrap());
            Frame(frame.seq.get())
        }
        Ok(Followed::Reset { reason, .. }) => Reset(reason),
        Ok(Followed::Online { .. }) => Online,
        Ok(Followed::Offline { error, .. }) => Offline(error.code()),
        Err(FollowError::Http(error)) => Failed(error.code()),
        Err(FollowError::Token(never)) => match never {},
    })
}

async fn take(items: &mut Items, count: usize) -> Vec<Short> {
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(short(items).await.unwrap());
    }
    taken
}

fn event_requests(server: &Server) -> Vec<Seen> {
    server.seen().into_iter().filter(|seen| seen.uri.path().ends_with("/events")).collect()
}

#[tokio::test]
async fn a_cut_in_the_middle_of_an_event_is_gone_on_from() {
    let Part::Bytes(half) = frame(2) else { panic!() };
    let server = Server::script([
        Reply::stream([open(0), frame(0), frame(1), Part::Bytes(half.slice(..half.len() / 2)), Part::Cut]),
        Reply::stream([open(2), frame(2), Part::Hang]),
    ])
    .await;
    let clock = clock();
    let waits = hurry(&clock);
    let (mut items, _) = follow(&server.client(&clock), None);
    assert_eq!(take(&mut items, 6).await, [Online, Frame(0), Frame(1), Offline(None), Online, Frame(2)]);
    assert_eq!(*waits.lock().unwrap(), [Duration::from_secs(1)]);
    let seen = event_requests(&server);
    assert_eq!(seen[0].uri.query(), Some("from=0"));
    assert_eq!(seen[0].header("last-event-id"), None);
    assert_eq!(seen[1].uri.query(), Some("from=2"));
    assert_eq!(seen[1].header("last-event-id"), Some("5-1"));
    assert!(seen.iter().all(|seen| seen.header("authorization") == Some("Bearer t0")));
    assert!(seen.iter().all(|seen| seen.header("accept") == Some("text/event-stream")));
}

#[tokio::test]
async fn repeats_are_dropped() {
    let server = Server::script([Reply::stream([
        open(3),
        frame(3),
        frame(3),
        frame(2),
        frame(4),
        Part::Bytes(HEARTBEAT.into()),
        frame(4),
        frame(5),
        Part::Hang,
    ])])
    .await;
    let (mut items, _) = follow(&server.client(&clock()), Seq::new(2));
    assert_eq!(take(&mut items, 4).await, [Online, Frame(3), Frame(4), Frame(5)]);
}

#[tokio::test]
async fn gaps_are_filled_from_pages() {
    let server = Server::script([
        // Begins too late, and skips three later on; the pages are shorter than the gap, then longer.
        Reply::stream([open(2), frame(2), frame(6), frame(7), Part::Hang]),
        page(0, 1),
        page(1, 1),
        page(3, 2),
        page(5, 2),
    ])
    .await;
    let (mut items, _) = follow(&server.client(&clock()), None);
    assert_eq!(take(&mut items, 1).await, [Online]);
    assert_eq!(take(&mut items, 8).await, (0..8).map(Frame).collect::<Vec<_>>());
    let froms: Vec<_> = server
        .seen()
        .iter()
        .filter(|seen| seen.uri.path().ends_with("/frames"))
        .map(|seen| seen.uri.query().unwrap().to_owned())
        .collect();
    assert_eq!(froms, ["from=0&limit=256", "from=1&limit=256", "from=3&limit=256", "from=5&limit=256"]);
}

#[tokio::test]
async fn a_gap_nobody_fills_is_not_passed_over() {
    let server = Server::handle(|seen| {
        if seen.uri.path().ends_with("/events") {
            Reply::stream([open(0), frame(4), Part::Hang])
        } else {
            page(0, 0)
        }
    })
    .await;
    let clock = clock();
    hurry(&clock);
    let (mut items, _) = follow(&server.client(&clock), None);
    assert_eq!(
        take(&mut items, 6).await,
        [Online, Offline(None), Online, Offline(None), Online, Failed(None)]
    );
    assert_eq!(short(&mut items).await, None);
}

#[tokio::test]
async fn slow_bytes_are_bytes() {
    let (Part::Bytes(open), Part::Bytes(frame)) = (open(0), frame(0)) else { panic!() };
    let bytes = [open, frame].concat();
    let parts = bytes.iter().map(|byte| Part::Bytes(vec![*byte].into())).chain([Part::Hang]);
    let server = Server::script([Reply::stream(parts)]).await;
    let (mut items, _) = follow(&server.client(&clock()), None);
    assert_eq!(take(&mut items, 2).await, [Online, Frame(0)]);
}

#[tokio::test]
async fn garbage_ends_the_link_and_in_the_end_the_stream() {
    let wrong_seq = Event::Frame { id: EventId { stream_epoch: LIFE, seq: Seq::ZERO }, frame: served(7) };
    let no_frame = Event::Frame {
        id: EventId { stream_epoch: LIFE, seq: Seq::ZERO },
        frame: ServedFrameBytes::new(vec![9]),
    };
    let garbage = [
        Part::Bytes("event: frame\nid: 5-0\ndata: ***\n\n".into()),
        Part::Bytes(vec![b'x'; 2 * 1024 * 1024].into()),
        Part::Bytes(b"data: \xff\n\n"[..].into()),
        text(&wrong_seq),
        text(&no_frame),
    ];
    for part in garbage {
        let again = part.clone();
        let server = Server::handle(move |_| Reply::stream([open(0), again.clone(), Part::Hang])).await;
        let clock = clock();
        hurry(&clock);
        let (mut items, _) = follow(&server.client(&clock), None);
        assert_eq!(
            take(&mut items, 6).await,
            [Online, Offline(None), Online, Offline(None), Online, Failed(None)]
        );
        assert_eq!(short(&mut items).await, None);

        // Once is an accident.
        let server = Server::script([
            Reply::stream([open(0), part, Part::Hang]),
            Reply::stream([open(0), frame(0), Part::Hang]),
        ])
        .await;
        let (mut items, _) = follow(&server.client(&clock), None);
        assert_eq!(take(&mut items, 4).await, [Online, Offline(None), Online, Frame(0)]);
    }
}

#[tokio::test]
async fn waits_grow_and_follow_the_node() {
    let busy = Problem::new(ErrorCode::TooManyFollowers).with_retry_after(5);
    let server = Server::script([
        Reply::problem(&Problem::new(ErrorCode::NotReady)),
        Reply::new(502, "text/html", "bad gateway"),
        Reply::problem(&busy),
        Reply::stream([open(0), text(&Event::Problem(Problem::new(ErrorCode::ShuttingDown)))]),
        Reply::stream([open(0), frame(0)]),
        Reply::stream([open(1), frame(1), Part::Hang]),
    ])
    .await;
    let clock = clock();
    let waits = hurry(&clock);
    let (mut items, _) = follow(&server.client(&clock), None);
    assert_eq!(
        take(&mut items, 10).await,
        [
            Offline(Some(ErrorCode::NotReady)),
            Offline(Some(ErrorCode::TimedOut)),
            Offline(Some(ErrorCode::TooManyFollowers)),
            Online,
            Offline(Some(ErrorCode::ShuttingDown)),
            Online,
            Frame(0),
            Offline(Some(ErrorCode::TimedOut)),
            Online,
            Frame(1),
        ]
    );
    assert_eq!(*waits.lock().unwrap(), [1, 2, 5, 1, 1].map(Duration::from_secs));
}

#[tokio::test]
async fn a_silent_link_is_dead_after_three_heartbeats() {
    let server = Server::script([
        Reply::stream([open(0), Part::Hang]),
        Reply::stream([open(0), frame(0), Part::Hang]),
    ])
    .await;
    let clock = clock();
    let (mut items, _) = follow(&server.client(&clock), None);
    assert_eq!(short(&mut items).await, Some(Online));
    let mut next = Box::pin(short(&mut items));
    assert!(futures_util::FutureExt::now_or_never(next.as_mut()).is_none());
    assert_eq!(clock.sleepers(), [Duration::from_secs(45)]);
    clock.advance(Duration::from_secs(44));
    assert!(futures_util::FutureExt::now_or_never(next.as_mut()).is_none());
    clock.advance(Duration::from_secs(1));
    assert_eq!(next.await, Some(Offline(None)));
    hurry(&clock);
    assert_eq!(take(&mut items, 2).await, [Online, Frame(0)]);
}

#[tokio::test]
async fn heartbeats_keep_a_link_alive() {
    let told = Arc::new(Notify::new());
    let wait = || Part::Wait(Arc::clone(&told));
    let beat = Part::Bytes(HEARTBEAT.into());
    let server = Server::script([Reply::stream([open(0), wait(), beat, wait(), frame(0), Part::Hang])]).await;
    let clock = clock();
    let (mut items, _) = follow(&server.client(&clock), None);
    assert_eq!(short(&mut items).await, Some(Online));
    let next = tokio::spawn(async move { short(&mut items).await });
    let silence = Duration::from_secs(45);
    clock.advance(Duration::from_secs(30));
    assert_eq!(clock.sleepers(), [silence - Duration::from_secs(30)]);
    told.notify_one();
    clock.sleepers_until(|sleepers| sleepers == [silence]).await;
    clock.advance(Duration::from_secs(30));
    told.notify_one();
    assert_eq!(next.await.unwrap(), Some(Frame(0)));
}

#[tokio::test]
async fn a_refused_token_is_replaced() {
    let expired = Problem::new(ErrorCode::TokenExpired);
    let revoked = Event::Problem(Problem::new(ErrorCode::TokenRevoked));
    let server = Server::script([
        Reply::problem(&expired),
        Reply::stream([open(0), frame(0), text(&revoked)]),
        Reply::stream([open(1), frame(3), Part::Hang]),
        Reply::problem(&expired),
        Reply::stream([open(1), frame(1), frame(2), frame(3), Part::Hang]),
    ])
    .await;
    let clock = clock();
    hurry(&clock);
    let (mut items, asked) = follow(&server.client(&clock), None);
    assert_eq!(
        take(&mut items, 9).await,
        [
            Online,
            Frame(0),
            Offline(Some(ErrorCode::TokenRevoked)),
            Online,
            Offline(Some(ErrorCode::TokenExpired)),
            Online,
            Frame(1),
            Frame(2),
            Frame(3),
        ]
    );
    let tokens: Vec<_> =
        server.seen().iter().map(|seen| seen.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["Bearer t0", "Bearer t1", "Bearer t2", "Bearer t2", "Bearer t3"]);
    let refused: Vec<_> =
        asked.lock().unwrap().iter().map(|t| t.as_ref().map(|t| t.expose().to_owned())).collect();
    assert_eq!(refused, [None, Some("t0".to_owned()), Some("t1".to_owned()), Some("t2".to_owned())]);
}

#[tokio::test]
async fn tokens_that_are_always_refused_end_the_stream() {
    let server = Server::handle(|_| Reply::problem(&Problem::new(ErrorCode::TokenInvalid))).await;
    let clock = clock();
    hurry(&clock);
    let (mut items, _) = follow(&server.client(&clock), None);
    assert_eq!(
        take(&mut items, 2).await,
        [Offline(Some(ErrorCode::TokenInvalid)), Failed(Some(ErrorCode::TokenInvalid))]
    );
    assert_eq!(short(&mut items).await, None);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn whoever_gives_tokens_may_end_the_stream_or_ask_for_patience() {
    #[derive(Debug, thiserror::Error)]
    #[error("not a member any more")]
    struct NotAMember;

    let server = Server::script([]).await;
    let clock = clock();
    hurry(&clock);
    let mut asked = 0;
    let stream = server.client(&clock).follow(GROUP, Start::default(), move |_| {
        asked += 1;
        let now = asked;
        async move {
            match now {
                1 => Err(TokenFailure::Http(HttpError::Timeout)),
                _ => Err(TokenFailure::Final(NotAMember)),
            }
        }
    });
    let mut items = Box::pin(stream);
    assert!(matches!(items.next().await, Some(Ok(Followed::Offline { error: HttpError::Timeout, .. }))));
    assert!(matches!(items.next().await, Some(Err(FollowError::Token(NotAMember)))));
    assert!(items.next().await.is_none());
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_reset_is_told_and_ends_the_stream() {
    let reset = Event::Reset { reason: ResetReason::HistoryGap, extent: extent(50) };
    let server = Server::script([Reply::stream([text(&reset)])]).await;
    let (mut items, _) = follow(&server.client(&clock()), Seq::new(2));
    assert_eq!(short(&mut items).await, Some(Reset(ResetReason::HistoryGap)));
    assert_eq!(short(&mut items).await, None);
}

#[tokio::test]
async fn another_life_of_the_log_is_a_reset() {
    let other = Extent { stream_epoch: StreamEpoch::new(6), ..extent(9) };
    let other_open = text(&Event::Open { extent: other, next: Seq::new(3) });
    let id = EventId { stream_epoch: other.stream_epoch, seq: Seq::new(3) };
    let other_frame = text(&Event::Frame { id, frame: served(3) });
    for parts in [vec![other_open], vec![open(3), other_frame]] {
        let server = Server::script([Reply::stream(parts)]).await;
        let start = EventId { stream_epoch: LIFE, seq: Seq::new(2) };
        let (mut items, _) = follow(&server.client(&clock()), start);
        let mut last = None;
        while let Some(item) = short(&mut items).await {
            last = Some(item);
        }
        assert_eq!(last, Some(Reset(ResetReason::Restored)));
        assert_eq!(event_requests(&server)[0].header("last-event-id"), Some("5-2"));
    }
}

#[tokio::test]
async fn what_waiting_does_not_mend_ends_the_stream() {
    for code in [ErrorCode::GroupClosed, ErrorCode::NotAccepted, ErrorCode::Forbidden] {
        let server = Server::script([Reply::problem(&Problem::new(code))]).await;
        let (mut items, _) = follow(&server.client(&clock()), None);
        assert_eq!(short(&mut items).await, Some(Failed(Some(code))));
        assert_eq!(short(&mut items).await, None);
    }
}

#[tokio::test]
async fn giving_up_a_wait_loses_nothing() {
    let server = Server::script([Reply::stream([open(0), frame(0), frame(1), frame(2), Part::Hang])]).await;
    let (mut items, _) = follow(&server.client(&clock()), None);
    let mut taken = Vec::new();
    while taken.len() < 4 {
        // Polls once and drops the future, over and over.
        match futures_util::FutureExt::now_or_never(items.next()) {
            Some(item) => match item.unwrap().unwrap() {
                Followed::Frame { frame, .. } => taken.push(frame.seq.get()),
                Followed::Online { head } => taken.push(head.get()),
                other @ (Followed::Reset { .. } | Followed::Offline { .. }) => panic!("{other:?}"),
            },
            None => tokio::task::yield_now().await,
        }
    }
    assert_eq!(taken, [99, 0, 1, 2]);
}

/// One link of a bad server: which frames it sends, in which order, and how it ends.
#[derive(Debug, Clone)]
struct Link {
    late_by: u64,
    steps: Vec<i8>,
    end: u8,
}

fn links() -> impl Strategy<Value = Vec<Link>> {
    let link = (0_u64..4, proptest::collection::vec(-2_i8..5, 0..6), 0_u8..4)
        .prop_map(|(late_by, steps, end)| Link { late_by, steps, end });
    proptest::collection::vec(link, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever links do, every frame comes once and in order.
    #[test]
    fn every_frame_comes_once_and_in_order(links in links(), limit in 1_u64..5) {
        const LAST: u64 = 12;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut links: VecDeque<_> = links.into();
            let server = Server::handle(move |seen| {
                let query: BTreeMap<_, _> =
                    seen.uri.query().unwrap().split('&').filter_map(|pair| pair.split_once('=')).collect();
                let from: u64 = query["from"].parse().unwrap();
                if seen.uri.path().ends_with("/frames") {
                    return page(from, limit.min((LAST + 1).saturating_sub(from)));
                }
                let Some(link) = links.pop_front() else {
                    return Reply::stream([open(from)].into_iter().chain((from..=LAST).map(frame)).chain([Part::Hang]));
                };
                let mut at = from + link.late_by;
                let mut parts = vec![open(at)];
                for step in link.steps {
                    at = at.saturating_add_signed(step.into()).min(LAST);
                    parts.push(frame(at));
                }
                parts.extend(match link.end {
                    0 => vec![],
                    1 => vec![Part::Cut],
                    2 => vec![Part::Bytes("id: 5-".into()), Part::Cut],
                    _ => vec![text(&Event::Problem(Problem::new(ErrorCode::FollowerLagged)))],
                });
                Reply::stream(parts)
            })
            .await;
            let clock = clock();
            hurry(&clock);
            let (mut items, _) = follow(&server.client(&clock), None);
            let mut next = 0;
            while next <= LAST {
                match short(&mut items).await.unwrap() {
                    Frame(seq) => {
                        assert_eq!(seq, next);
                        next += 1;
                    }
                    Online | Offline(_) => {}
                    other @ (Reset(_) | Failed(_)) => panic!("{other:?}"),
                }
            }
        });
    }
}
