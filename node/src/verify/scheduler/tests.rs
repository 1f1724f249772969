use proptest::prelude::*;

use super::*;
use crate::verify::fair_queue::QUANTUM;

const SECOND: Duration = Duration::from_secs(1);

fn bounds(workers: usize, batch: usize, queue: usize, flow: usize) -> Bounds {
    Bounds {
        workers: NonZeroUsize::new(workers).unwrap(),
        batch: NonZeroUsize::new(batch).unwrap(),
        queue,
        flow,
        suspect_for: 60 * SECOND,
    }
}

fn scheduler(workers: usize, batch: usize) -> Scheduler<u32, u32> {
    Scheduler::new(bounds(workers, batch, 4_096, 1_024))
}

/// Ends a batch: `bad` says which flows' frames do not hold.
fn end(
    scheduler: &mut Scheduler<u32, u32>,
    batch: &Batch<u32, u32>,
    bad: impl Fn(u32) -> bool,
    now: Instant,
) {
    let verdicts: Vec<_> = batch.frames.iter().map(|(key, ..)| (*key, !bad(*key))).collect();
    scheduler.finish(batch.standing, batch.proofs, &verdicts, Duration::from_millis(1), now);
}

fn jobs(batch: &Batch<u32, u32>) -> Vec<u32> {
    batch.frames.iter().map(|(.., job)| *job).collect()
}

#[test]
fn an_idle_worker_begins_at_once_and_batches_come_of_load() {
    let now = Instant::now();
    let mut s = scheduler(2, 64);
    assert!(s.start().is_none());
    s.submit(1, false, 1, 1, now).unwrap();
    let first = s.start().unwrap();
    s.submit(2, false, 1, 2, now).unwrap();
    let second = s.start().unwrap();
    assert_eq!((jobs(&first), jobs(&second)), (vec![1], vec![2]));
    for n in 3..10 {
        s.submit(n, false, 1, n, now).unwrap();
    }
    assert!(s.start().is_none());
    assert_eq!((s.waiting(), s.running()), (7, 2));
    end(&mut s, &first, |_| false, now);
    assert_eq!(jobs(&s.start().unwrap()), (3..10).collect::<Vec<_>>());
}

#[test]
fn a_batch_has_no_more_proofs_than_its_bound_unless_one_frame_has() {
    let now = Instant::now();
    let mut s = scheduler(1, 10);
    for (flow, proofs) in [(1, 4), (2, 4), (3, 4), (4, 64), (5, 1)] {
        s.submit(flow, false, proofs, flow, now).unwrap();
    }
    let mut order = Vec::new();
    while let Some(batch) = s.start() {
        assert!(batch.proofs <= 10 || batch.frames.len() == 1);
        assert_eq!(batch.proofs, batch.frames.iter().map(|(_, proofs, _)| proofs).sum::<usize>());
        order.push(jobs(&batch));
        end(&mut s, &batch, |_| false, now);
    }
    // The large one has to save up its turns.
    assert_eq!(order, [vec![1, 2], vec![3, 5], vec![4]]);
}

#[test]
fn room_is_bounded_for_a_flow_and_for_each_standing() {
    let now = Instant::now();
    let mut s: Scheduler<u32, u32> = Scheduler::new(bounds(1, 8, 400, 64));
    s.submit(0, false, 64, 0, now).unwrap();
    assert_eq!(s.submit(0, false, 1, 0, now).unwrap_err().reason, NoRoom::Flow);
    for flow in 1..6 {
        s.submit(flow, false, 64, 0, now).unwrap();
    }
    assert_eq!(s.submit(6, false, 64, 0, now).unwrap_err().reason, NoRoom::Standing);
    s.submit(6, false, 16, 0, now).unwrap();
    assert_eq!(s.waiting(), 400);
    // Strangers have a quarter of their own.
    for flow in 100..200 {
        s.submit(flow, true, 1, 0, now).unwrap();
    }
    assert_eq!(s.submit(200, true, 1, 0, now).unwrap_err().reason, NoRoom::Standing);
    // Nothing of what was refused stays.
    assert_eq!(s.waiting(), 500);
    assert_eq!(s.drain().len(), 107);
    assert_eq!(s.waiting(), 0);
}

#[test]
fn the_wait_that_is_asked_for_follows_the_pace_and_the_share() {
    let now = Instant::now();
    let mut s: Scheduler<u32, u32> = Scheduler::new(bounds(1, 64, 2_048, 64));
    for _ in 0..200 {
        s.submit(0, false, 64, 0, now).unwrap();
        let batch = s.start().unwrap();
        s.finish(batch.standing, batch.proofs, &[(0, true)], Duration::from_millis(640), now);
    }
    // 10 ms a proof.
    let full = |s: &mut Scheduler<u32, u32>, stranger: bool| {
        let keys = if stranger { 1_000..2_000 } else { 1..1_000 };
        keys.map(|key| s.submit(key, stranger, 8, 0, now)).find_map(Result::err).unwrap()
    };
    assert_eq!(full(&mut s, true), Full { reason: NoRoom::Standing, retry_after: 6 });
    assert_eq!(full(&mut s, false).retry_after, 26);
    // A fifth of the workers for as long as the good have something: no sooner than everything is done.
    assert_eq!(full(&mut s, true).retry_after, 26);
    let one = s.submit(1, false, 64, 0, now).unwrap_err();
    assert_eq!((one.reason, one.retry_after), (NoRoom::Flow, 26));
}

#[test]
fn a_bad_proof_sets_its_flow_apart_for_a_while() {
    let now = Instant::now();
    let mut s = scheduler(1, 64);
    for n in [1, 2, 3] {
        s.submit(n, false, 1, n, now).unwrap();
    }
    let batch = s.start().unwrap();
    assert_eq!(batch.standing, Standing::Good);
    end(&mut s, &batch, |key| key == 2, now);
    assert_eq!(s.suspects(now), 1);
    for n in [1, 2, 2, 3] {
        s.submit(n, false, 1, n, now).unwrap();
    }
    let mut seen = Vec::new();
    while let Some(batch) = s.start() {
        seen.push((batch.standing, jobs(&batch)));
        end(&mut s, &batch, |_| false, now);
    }
    let apart = |n| (Standing::Suspect, vec![n]);
    assert_eq!(seen, [apart(2), (Standing::Good, vec![1, 3]), apart(2)]);
    s.submit(2, false, 1, 2, now + 60 * SECOND).unwrap();
    assert_eq!(s.start().unwrap().standing, Standing::Good);
    // Founders are never more than strangers, nor less.
    s.drain();
    s.finish(Standing::Good, 1, &[], SECOND, now);
    s.submit(9, true, 1, 9, now).unwrap();
    let batch = s.start().unwrap();
    end(&mut s, &batch, |_| true, now);
    assert!(!s.known.contains(&9, now));
    s.submit(9, true, 1, 9, now).unwrap();
    assert_eq!(s.start().unwrap().standing, Standing::Stranger);
}

#[test]
fn one_worker_is_kept_from_strangers_and_suspects() {
    let now = Instant::now();
    for (workers, apart) in [(1, 1), (2, 1), (4, 3)] {
        let mut s = scheduler(workers, 1);
        for n in 0..20 {
            s.submit(n, true, 1, n, now).unwrap();
        }
        let running: Vec<_> = std::iter::from_fn(|| s.start()).collect();
        assert_eq!(running.len(), apart);
        s.submit(50, false, 1, 50, now).unwrap();
        assert_eq!(s.start().map(|batch| jobs(&batch)), (workers > 1).then(|| vec![50]));
        end(&mut s, &running[0], |_| false, now);
        assert!(s.start().is_some());
    }
}

#[test]
fn standings_share_by_weight_and_nobody_saves_up() {
    let now = Instant::now();
    let mut s: Scheduler<u32, u32> = Scheduler::new(bounds(1, 4, 1 << 20, 1 << 20));
    s.known.failed(7, now);
    // The others have had the machine to themselves for a while.
    for n in 0..1_000 {
        s.submit(n % 5, false, 1, n, now).unwrap();
        let batch = s.start().unwrap();
        end(&mut s, &batch, |_| false, now);
    }
    for n in 0..3_000 {
        s.submit(n % 5, false, 1, n, now).unwrap();
        s.submit(7, false, 1, n, now).unwrap();
        s.submit(100 + n % 3, true, 1, n, now).unwrap();
    }
    let mut served = [0_usize; 3];
    for _ in 0..500 {
        let batch = s.start().unwrap();
        served[batch.standing as usize] += batch.proofs;
        // Held all the same, or the suspect would soon be none.
        s.finish(batch.standing, batch.proofs, &[], SECOND, now);
    }
    let total: usize = served.iter().sum();
    for (served, weight) in served.into_iter().zip([8, 2, 1]) {
        let due = total * weight / 11;
        assert!(served.abs_diff(due) <= 8, "{served} of {total}, due {due}");
    }
}

#[test]
fn batches_shrink_with_bad_frames_and_grow_again() {
    let now = Instant::now();
    let mut s = scheduler(1, 64);
    let mut round = |bad: bool, first: u32| {
        for n in 0..200 {
            s.submit(first + n, true, 1, n, now).unwrap();
        }
        let batch = s.start().unwrap();
        s.drain();
        let only = batch.frames[0].0;
        end(&mut s, &batch, |key| bad && key == only, now);
        batch.frames.len()
    };
    let lengths: Vec<_> = (0..8).map(|n| round(true, n * 1_000)).collect();
    assert_eq!(lengths, [64, 32, 16, 8, 4, 2, 1, 1]);
    let lengths: Vec<_> = (0..10).map(|n| round(false, n * 1_000)).collect();
    assert_eq!(lengths, [1, 2, 3, 5, 8, 12, 18, 27, 41, 62]);
}

#[test]
fn what_is_taken_back_is_not_started() {
    let now = Instant::now();
    let mut s = scheduler(1, 64);
    let first = s.submit(1, false, 64, 1, now).unwrap();
    let second = s.submit(1, false, 1, 2, now).unwrap();
    assert_eq!(s.withdraw(&first), Some(1));
    assert_eq!((s.withdraw(&first), s.waiting()), (None, 1));
    assert_eq!(jobs(&s.start().unwrap()), [2]);
    assert_eq!(s.withdraw(&second), None);
    assert!(s.start().is_none());
}

proptest! {
    /// A flood gets its part of any number of proofs served and no more than others leave; and whoever has one frame at
    /// a time, as a group has, waits for a bounded number of proofs of the others, however many they queue.
    #[test]
    fn a_flood_delays_nobody_beyond_a_bound(
        sizes in proptest::collection::vec(1_usize..=64, 2..8),
        batch in 1_usize..100,
        served in 1_usize..3_000,
    ) {
        let now = Instant::now();
        let flows = u32::try_from(sizes.len()).unwrap();
        let mut s: Scheduler<u32, usize> = Scheduler::new(bounds(1, batch, 1 << 20, 1 << 20));
        let size = |flow: u32| sizes[usize::try_from(flow).unwrap()];
        for flow in 0..flows {
            // The first is the flood.
            for _ in 0..if flow == 0 { 200 } else { 1 } {
                s.submit(flow, false, size(flow), 0, now).unwrap();
            }
        }
        let largest = sizes.iter().max().unwrap();
        let (mut flood, mut total) = (0, 0);
        while total < served {
            let batch = s.start().unwrap();
            for (flow, proofs, since) in &batch.frames {
                if *flow == 0 {
                    flood += proofs;
                } else {
                    let turns = proofs.div_ceil(QUANTUM) + 1;
                    let bound = (sizes.len() - 1) * (turns * QUANTUM + largest);
                    prop_assert!(total - since <= bound, "flow {flow} waited for {} of {bound}", total - since);
                }
                total += proofs;
            }
            for (flow, proofs, _) in &batch.frames {
                s.submit(*flow, false, *proofs, total, now).unwrap();
            }
            s.finish(batch.standing, batch.proofs, &[], SECOND, now);
        }
        prop_assert!(flood + QUANTUM + 2 * largest >= total / sizes.len(), "{flood} of {total}");
    }

    /// Whatever happens, counts are right, bounds hold, and every frame that was taken comes out once.
    #[test]
    fn nothing_is_lost_and_bounds_hold(
        steps in proptest::collection::vec((0_u8..8, 0_u32..12, 1_usize..=64, any::<bool>()), 1..300),
        workers in 1_usize..4,
    ) {
        let mut now = Instant::now();
        let mut s: Scheduler<u32, u32> = Scheduler::new(bounds(workers, 32, 256, 64));
        let mut tickets = Vec::new();
        let mut running: Vec<Batch<u32, u32>> = Vec::new();
        let (mut taken, mut out) = (0_usize, 0_usize);
        for (what, key, proofs, flag) in steps {
            match what {
                0..=3 => if let Ok(ticket) = s.submit(key, key >= 8, proofs, key, now) {
                    tickets.push(ticket);
                    taken += 1;
                },
                4 | 5 => if let Some(batch) = s.start() {
                    prop_assert!(batch.proofs <= 32 || batch.frames.len() == 1);
                    prop_assert!(batch.standing != Standing::Suspect || batch.frames.len() == 1);
                    prop_assert!(!batch.frames.is_empty());
                    out += batch.frames.len();
                    running.push(batch);
                },
                6 => if let Some(batch) = running.pop() {
                    end(&mut s, &batch, |of| flag && of == key, now);
                },
                _ => {
                    now += 7 * SECOND;
                    if let Some(ticket) = tickets.pop() {
                        out += usize::from(s.withdraw(&ticket).is_some());
                    }
                }
            }
            prop_assert_eq!(s.running(), running.len());
            prop_assert!(running.len() <= workers);
            let apart = running.iter().filter(|batch| batch.standing != Standing::Good).count();
            prop_assert!(apart <= workers.saturating_sub(1).max(1));
            prop_assert!(s.waiting() <= 256 + 64 + 64);
        }
        prop_assert_eq!(s.drain().len() + out, taken);
    }
}
