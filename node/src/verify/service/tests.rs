use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    pin::pin,
    sync::mpsc::{Receiver, Sender, channel},
    task::Poll,
    time::Duration,
};

use protocol::GroupId;
use tokio::task::JoinHandle;

use super::*;

type Numbers = Service<u32, u32>;
type Outcome = Result<Result<u32, Refusal>, Failure>;

fn group(n: u8) -> Flow {
    Flow::Group(GroupId::new([n; 32]))
}

fn bounds(workers: usize) -> Bounds {
    Bounds {
        workers: NonZeroUsize::new(workers).unwrap(),
        batch: NonZeroUsize::new(64).unwrap(),
        queue: 256,
        flow: 64,
        suspect_for: Duration::from_secs(60),
    }
}

/// Odd numbers hold; 13 is a fault of the node's own.
fn odd(n: u32) -> Result<u32, Refusal> {
    assert_ne!(n, 13, "on purpose");
    if n % 2 == 1 { Ok(n) } else { Err(Refusal::BadProof) }
}

/// A service whose checks wait for a word each, and which tells what it checks.
struct Gated {
    service: Numbers,
    seen: Receiver<Vec<u32>>,
    go: Sender<()>,
}

fn gated(workers: usize) -> Gated {
    let (tell, seen) = channel();
    let (go, gate) = channel();
    let gate = Mutex::new(gate);
    let check = move |batch: Vec<u32>| {
        tell.send(batch.clone()).unwrap();
        gate.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap();
        batch.into_iter().map(odd).collect()
    };
    Gated { service: Numbers::with(bounds(workers), Arc::new(Metrics::unread()), check), seen, go }
}

impl Gated {
    /// The batch that has begun.
    fn begun(&self) -> Vec<u32> {
        self.seen.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// Hands a number in and returns when it is in the queue or being checked.
    async fn ask(&self, flow: Flow, n: u32) -> JoinHandle<Outcome> {
        let before = self.handed_in();
        let asked = tokio::spawn({
            let service = self.service.clone();
            async move { service.check(flow, 1, n).await }
        });
        while self.handed_in() == before {
            tokio::task::yield_now().await;
        }
        asked
    }

    fn handed_in(&self) -> (usize, usize) {
        let state = self.service.0.state();
        (state.scheduler.waiting(), state.scheduler.running())
    }
}

#[tokio::test]
async fn everybody_gets_their_own_verdict() {
    let gated = gated(1);
    let first = gated.ask(group(1), 1).await;
    assert_eq!(gated.begun(), [1]);
    let mut asked = Vec::new();
    for n in 2..6 {
        asked.push(gated.ask(group(u8::try_from(n).unwrap()), n).await);
    }
    gated.go.send(()).unwrap();
    assert_eq!(gated.begun(), [2, 3, 4, 5]);
    gated.go.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Ok(Ok(1)));
    for (n, asked) in (2..6).zip(asked) {
        assert_eq!(asked.await.unwrap(), Ok(odd(n)));
    }
    // Those who were refused are checked apart now; without proofs there is nothing to wait for.
    gated.go.send(()).unwrap();
    assert_eq!(gated.service.check(group(2), 1, 3).await, Ok(Ok(3)));
    assert_eq!(gated.begun(), [3]);
    gated.go.send(()).unwrap();
    assert_eq!(gated.service.check(group(2), 0, 5).await, Ok(Ok(5)));
    assert_eq!(gated.service.0.state().scheduler.suspects(Instant::now()), 2);
}

#[tokio::test]
async fn who_gives_up_costs_nothing() {
    let gated = gated(1);
    let first = gated.ask(group(1), 1).await;
    gated.begun();
    let given_up = gated.ask(group(2), 3).await;
    let stays = gated.ask(group(2), 5).await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    assert_eq!(gated.handed_in(), (1, 1));
    // Once it has begun it is carried out, for nobody.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    gated.go.send(()).unwrap();
    assert_eq!(gated.begun(), [5]);
    gated.go.send(()).unwrap();
    assert_eq!(stays.await.unwrap(), Ok(Ok(5)));
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_again() {
    let gated = gated(1);
    let first = gated.ask(group(1), 1).await;
    gated.begun();
    let service = gated.service.clone();
    let full = tokio::spawn(async move { service.check(group(2), 64, 3).await });
    while gated.handed_in() != (64, 1) {
        tokio::task::yield_now().await;
    }
    let busy = Err(Failure::Busy { retry_after: 1 });
    assert_eq!(gated.service.check(group(2), 1, 5).await, busy);
    // Another group has room.
    let other = gated.ask(group(3), 7).await;
    gated.go.send(()).unwrap();
    gated.go.send(()).unwrap();
    gated.go.send(()).unwrap();
    assert_eq!(full.await.unwrap(), Ok(Ok(3)));
    assert_eq!((first.await.unwrap(), other.await.unwrap()), (Ok(Ok(1)), Ok(Ok(7))));
    gated.go.send(()).unwrap();
    assert_eq!(gated.service.check(group(2), 1, 5).await, Ok(Ok(5)));
}

#[tokio::test]
async fn stopping_answers_who_waits_and_lets_who_runs_finish() {
    let gated = gated(1);
    let first = gated.ask(group(1), 1).await;
    gated.begun();
    let second = gated.ask(group(2), 3).await;
    let service = gated.service.clone();
    let mut stopped = pin!(service.stop());
    assert_eq!(std::future::poll_fn(|cx| Poll::Ready(stopped.as_mut().poll(cx))).await, Poll::Pending);
    assert_eq!(second.await.unwrap(), Err(Failure::Stopping));
    assert_eq!(gated.service.check(group(3), 1, 5).await, Err(Failure::Stopping));
    gated.go.send(()).unwrap();
    stopped.await;
    assert_eq!(first.await.unwrap(), Ok(Ok(1)));
    gated.service.stop().await;
}

#[tokio::test]
async fn a_panic_answers_everybody_and_frees_the_worker() {
    let gated = gated(1);
    let first = gated.ask(group(1), 1).await;
    gated.begun();
    let mut asked = Vec::new();
    for n in [11, 13, 15] {
        asked.push(gated.ask(group(u8::try_from(n).unwrap()), n).await);
    }
    gated.go.send(()).unwrap();
    assert_eq!(gated.begun(), [11, 13, 15]);
    gated.go.send(()).unwrap();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), Err(Failure::Internal));
    }
    assert_eq!(first.await.unwrap(), Ok(Ok(1)));
    // From now on they are checked alone, so that the fault is met by its cause only.
    let first = gated.ask(group(1), 1).await;
    gated.begun();
    let mut asked = Vec::new();
    for n in [11, 13, 15] {
        asked.push(gated.ask(group(u8::try_from(n).unwrap()), n).await);
    }
    (0..4).for_each(|_| gated.go.send(()).unwrap());
    let outcomes = [Ok(Ok(11)), Err(Failure::Internal), Ok(Ok(15))];
    for (asked, outcome) in asked.into_iter().zip(outcomes) {
        assert_eq!(asked.await.unwrap(), outcome);
    }
    assert_eq!(first.await.unwrap(), Ok(Ok(1)));
}

#[tokio::test]
async fn a_check_that_forgets_an_answer_is_no_acceptance() {
    let service: Numbers = Service::with(bounds(1), Arc::new(Metrics::unread()), |_| Vec::new());
    assert_eq!(service.check(group(1), 1, 1).await, Err(Failure::Internal));
    assert_eq!(service.check(group(1), 0, 1).await, Err(Failure::Internal));
}

/// A runtime that ends drops blocking work it has not begun.
#[tokio::test]
async fn work_that_never_begins_leaves_nobody_waiting() {
    let gated = gated(1);
    let inner = Arc::clone(&gated.service.0);
    let (shift, first, second) = {
        let mut state = inner.state();
        let now = Instant::now();
        let submit = |state: &mut State<u32, u32>, n, job| {
            let (answer, verdict) = oneshot::channel();
            let pending = Pending { job, since: now, answer };
            state.scheduler.submit(group(n), false, 1, pending, now).unwrap();
            verdict
        };
        let first = submit(&mut state, 1, 1);
        let batch = inner.next(&mut state);
        assert!(batch.is_some());
        (Shift { inner: Arc::clone(&inner), batch }, first, submit(&mut state, 2, 3))
    };
    drop(shift);
    assert_eq!(second.await.unwrap(), Err(Failure::Stopping));
    assert!(first.await.is_err());
    assert_eq!(gated.service.check(group(3), 1, 5).await, Err(Failure::Stopping));
    gated.service.stop().await;
}

/// Many askers on many threads: everybody is answered once, with what they asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_mixed_up_under_load() {
    let check = |batch: Vec<u32>| batch.into_iter().map(odd).collect();
    let bounds = Bounds { queue: 1 << 16, flow: 1 << 16, ..bounds(2) };
    let service = Numbers::with(bounds, Arc::new(Metrics::unread()), check);
    let asked: Vec<_> = (0..2_000_u32)
        .map(|n| n * 4 + 2 * (n % 2) + u32::from(n % 3 != 0))
        .filter(|n| *n != 13)
        .map(|n| {
            let service = service.clone();
            tokio::spawn(async move { (n, service.check(group(n.to_be_bytes()[3] % 16), 1, n).await) })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for asked in asked {
        let (n, outcome) = asked.await.unwrap();
        assert_eq!(outcome, Ok(odd(n)));
        seen.insert(n);
    }
    assert!(seen.len() >= 1_999);
    service.stop().await;
}
