use core::ops::Range;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::BodyId;

const LEASE: u64 = 60;
const EXPIRES: Millis = Millis::new(100_000);

fn token(n: u8) -> TokenHash {
    TokenHash::of(&[n; 32])
}

const CREATOR: u8 = 200;
const UPLOAD: u8 = 201;
const ACCESS: u8 = 202;
const UNLOCK: u8 = 203;

fn create(size: Size) -> Create {
    Create {
        body: BodyId::from_bytes([1; 16]),
        size,
        inline: false,
        text: false,
        info: vec![7; 10],
        access: Some(token(ACCESS)),
        unlock: None,
        deleter: token(CREATOR),
        upload: Some(token(UPLOAD)),
        expires: EXPIRES,
    }
}

fn reader() -> Reader {
    Reader { access: Some(token(ACCESS)), unlock: None }
}

/// A store of one row.
struct Row(Option<Record>);

impl Row {
    fn of(create: Create) -> Self {
        let mut row = Self(None);
        row.run(0, Command::Create(Box::new(create))).unwrap();
        row
    }

    fn run(&mut self, now: u64, command: Command) -> Result<Answer, Refusal> {
        let step = apply(self.0.as_ref(), &command, Millis::new(now));
        match step.write {
            Write::Keep => {}
            Write::Insert(record) => {
                assert!(self.0.is_none());
                self.0 = Some(*record);
            }
            Write::Put(record) => {
                assert_eq!(self.0.as_ref().unwrap().body, record.body);
                self.0 = Some(*record);
            }
            Write::Replace(record) => {
                assert!(self.0.is_some());
                self.0 = Some(*record);
            }
            Write::Erase => {
                assert!(self.0.take().is_some());
            }
        }
        step.answer
    }

    fn claim(&mut self, now: u64, by: u8) -> Result<Answer, Refusal> {
        self.run(now, Command::Claim { reader: reader(), by: token(by), lease: LEASE })
    }

    fn give(&mut self, now: u64, by: u8, bytes: Range<u64>) -> Result<Answer, Refusal> {
        self.run(now, Command::Give { by: token(by), bytes, lease: LEASE })
    }
}

#[test]
fn a_claim_that_was_not_sent_everything_comes_back() {
    let mut row = Row::of(create(Size::Complete(640)));
    row.claim(0, 1).unwrap();
    row.give(1, 1, 0..630).unwrap();
    assert_eq!(row.claim(50, 2), Err(Refusal::Gone), "somebody reads it");
    assert_eq!(row.run(50, Command::Look { reader: reader() }), Err(Refusal::Gone));
    row.claim(61, 2).unwrap();
    assert_eq!(row.give(62, 1, 630..640), Err(Refusal::Gone), "the first one was too slow");
    row.run(63, Command::GiveBack { by: token(2) }).unwrap();
    row.run(63, Command::Look { reader: reader() }).unwrap();
}

#[test]
fn a_claim_that_was_sent_everything_is_the_last() {
    let mut row = Row::of(create(Size::Complete(640)));
    row.claim(0, 1).unwrap();
    row.give(1, 1, 0..640).unwrap();
    row.give(60, 1, 0..640).unwrap();
    assert_eq!(row.claim(119, 2), Err(Refusal::Gone));
    assert_eq!(row.claim(120, 2), Err(Refusal::Gone));
    assert!(row.0.is_none(), "erased on sight");
}

#[test]
fn parts_given_to_different_claims_add_up() {
    let mut row = Row::of(create(Size::Complete(640)));
    row.claim(0, 1).unwrap();
    row.give(0, 1, 0..320).unwrap();
    row.run(1, Command::GiveBack { by: token(1) }).unwrap();
    let Answer::Claimed { view, .. } = row.claim(2, 2).unwrap() else { panic!() };
    assert!(!view.is_final);
    row.give(2, 2, 320..640).unwrap();
    row.run(3, Command::GiveBack { by: token(2) }).unwrap();
    assert!(row.0.is_none(), "it cannot go back to anybody: the first one has the rest");
}

#[test]
fn a_claim_repeated_is_the_same_claim() {
    let mut row = Row::of(create(Size::Complete(640)));
    row.claim(0, 1).unwrap();
    let Answer::Claimed { until, .. } = row.claim(30, 1).unwrap() else { panic!() };
    assert_eq!(until, Millis::new(90));
    row.run(31, Command::Confirm { by: token(1) }).unwrap();
    assert_eq!(row.run(32, Command::Confirm { by: token(1) }), Err(Refusal::Gone));
}

#[test]
fn a_stranger_can_neither_read_nor_burn() {
    let mut row = Row::of(Create { unlock: Some(token(UNLOCK)), ..create(Size::Complete(10)) });
    let stranger = Reader { access: Some(token(9)), unlock: Some(token(9)) };
    for _ in 0..100 {
        assert_eq!(
            row.run(0, Command::Claim { reader: stranger, by: token(1), lease: LEASE }),
            Err(Refusal::Gone)
        );
        assert_eq!(row.run(0, Command::Delete { by: token(9) }), Err(Refusal::Gone));
        assert_eq!(row.run(0, Command::Confirm { by: token(9) }), Err(Refusal::Gone));
    }
    // Without any attempt at the password nothing is counted either.
    for _ in 0..100 {
        assert_eq!(row.claim(0, 1), Err(Refusal::WrongPassword { left: MAX_WRONG }));
    }
    let right = Reader { access: Some(token(ACCESS)), unlock: Some(token(UNLOCK)) };
    row.run(0, Command::Claim { reader: right, by: token(1), lease: LEASE }).unwrap();
}

#[test]
fn ten_wrong_passwords_burn_it() {
    let mut row = Row::of(Create { unlock: Some(token(UNLOCK)), ..create(Size::Complete(10)) });
    let wrong = Reader { access: Some(token(ACCESS)), unlock: Some(token(9)) };
    for left in (0..MAX_WRONG).rev() {
        let answer = row.run(0, Command::Claim { reader: wrong, by: token(1), lease: LEASE });
        assert_eq!(answer, Err(Refusal::WrongPassword { left }));
    }
    assert!(row.0.is_none());
}

#[test]
fn taking_erases_what_is_inline_and_ends_what_is_not() {
    let take = |text| Command::Take { reader: reader(), by: token(5), lease: LEASE, text };
    let mut inline = Row::of(Create { inline: true, ..create(Size::Complete(10)) });
    assert_eq!(inline.run(0, take(true)), Err(Refusal::NotText));
    let Answer::Given(given) = inline.run(0, take(false)).unwrap() else { panic!() };
    assert!(given.erased && inline.0.is_none());

    let mut outside = Row::of(create(Size::Complete(10)));
    let Answer::Given(given) = outside.run(0, take(false)).unwrap() else { panic!() };
    assert!(!given.erased);
    assert_eq!(outside.run(0, take(false)), Err(Refusal::Gone));
    outside.run(1, Command::Confirm { by: token(5) }).unwrap();
    assert!(outside.0.is_none());
}

#[test]
fn an_upload_grows_where_it_ended() {
    let deadline = Millis::new(50);
    let mut row = Row::of(create(Size::Coming { whole: Some(10), deadline }));
    let append = |bytes| Command::Append { upload: token(UPLOAD), bytes, deadline };
    assert_eq!(row.claim(1, 1), Err(Refusal::Gone), "not complete");
    row.run(1, append(0..4)).unwrap();
    assert_eq!(row.run(1, append(0..4)), Err(Refusal::Offset { at: 4 }));
    assert_eq!(row.run(1, append(4..11)), Err(Refusal::TooLong));
    assert_eq!(row.run(1, append(4..4)), Err(Refusal::TooLong));
    assert_eq!(row.run(1, Command::Finish { upload: token(UPLOAD) }), Err(Refusal::Offset { at: 4 }));
    row.run(1, append(4..10)).unwrap();
    let progress = row.run(2, Command::Progress { upload: token(UPLOAD) }).unwrap();
    assert!(matches!(progress, Answer::Progress { offset: 10, complete: true, .. }));
    assert_eq!(row.run(2, append(10..11)), Err(Refusal::Offset { at: 10 }));
    row.claim(60, 1).unwrap();

    let mut stopped = Row::of(create(Size::Coming { whole: Some(10), deadline }));
    stopped.run(50, Command::Settle).unwrap();
    assert!(stopped.0.is_none(), "the deadline has passed");
}

#[test]
fn its_creator_makes_it_again_and_nobody_else_does() {
    let mut row = Row::of(create(Size::Complete(10)));
    row.claim(0, 1).unwrap();
    let again = row.run(1, Command::Create(Box::new(create(Size::Complete(10))))).unwrap();
    assert!(matches!(again, Answer::Existed(_)));
    assert!(matches!(row.0.as_ref().unwrap().stage, Stage::Claimed { .. }), "and nothing was undone");
    let other = Create { deleter: token(9), ..create(Size::Complete(10)) };
    assert_eq!(row.run(1, Command::Create(Box::new(other.clone()))), Err(Refusal::Exists));
    // After its end the id is free.
    assert!(matches!(row.run(100_000, Command::Create(Box::new(other))), Ok(Answer::Created(_))));
}

#[test]
fn both_tokens_of_the_creator_delete_in_every_stage() {
    for by in [CREATOR, UPLOAD] {
        let coming = Size::Coming { whole: None, deadline: Millis::new(50) };
        for size in [coming, Size::Complete(10)] {
            let mut row = Row::of(create(size));
            let _claimed = row.claim(0, 1);
            row.run(1, Command::Delete { by: token(by) }).unwrap();
            assert!(row.0.is_none());
        }
    }
}

#[test]
fn expiry_ends_everything() {
    let mut row = Row::of(create(Size::Complete(10)));
    row.claim(99_999, 1).unwrap();
    assert_eq!(due(row.0.as_ref().unwrap()), EXPIRES);
    assert_eq!(row.give(100_000, 1, 0..10), Err(Refusal::Gone));
    assert!(row.0.is_none());
}

#[derive(Debug, Clone)]
enum Event {
    Claim(u8),
    Give(u8, u64, u64),
    Take(u8),
    GiveBack(u8),
    Confirm(u8),
    Settle,
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0_u8..4;
    prop_oneof![
        4 => who.clone().prop_map(Event::Claim),
        6 => (who.clone(), 0_u64..40, 0_u64..40).prop_map(|(who, from, len)| Event::Give(who, from, from + len)),
        1 => (10_u8..14).prop_map(Event::Take),
        1 => who.clone().prop_map(Event::GiveBack),
        1 => who.prop_map(Event::Confirm),
        1 => Just(Event::Settle),
        2 => (0_u64..100).prop_map(Event::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Whatever readers do and whenever, also when the clock jumps: once all bytes have been given, to whomever, nobody
    /// but the holder of that claim is ever given another one.
    #[test]
    fn nobody_reads_after_the_last_missing_byte_was_given(
        size in 0_u64..40,
        inline in any::<bool>(),
        events in proptest::collection::vec(event(), 1..60),
        back in 0_u64..200,
    ) {
        let mut row = Row::of(Create { inline, ..create(Size::Complete(size)) });
        let mut now = 1000_u64;
        let mut given = BTreeSet::new();
        let mut last: Option<u8> = None;
        for (step, event) in events.into_iter().enumerate() {
            if step == 30 {
                now = now.saturating_sub(back);
            }
            let (who, range, answer) = match event {
                Event::Claim(who) => {
                    let answer = row.claim(now, who);
                    if let Some(last) = last {
                        prop_assert!(answer.is_err() || who == last);
                    }
                    continue;
                }
                Event::Give(who, from, to) => (who, from..to.min(size), row.give(now, who, from..to.min(size))),
                Event::Take(who) => {
                    let command = Command::Take { reader: reader(), by: token(who), lease: LEASE, text: false };
                    (who, 0..size, row.run(now, command))
                }
                Event::GiveBack(who) => {
                    let _refused = row.run(now, Command::GiveBack { by: token(who) });
                    continue;
                }
                Event::Confirm(who) => {
                    let _refused = row.run(now, Command::Confirm { by: token(who) });
                    continue;
                }
                Event::Settle => {
                    let _done = row.run(now, Command::Settle);
                    continue;
                }
                Event::Pass(time) => {
                    now += time;
                    continue;
                }
            };
            if answer.is_ok() && (range.start < range.end || size == 0) {
                if let Some(last) = last {
                    prop_assert_eq!(who, last, "a second reader");
                }
                given.extend(range);
                if given.len() as u64 == size {
                    last = Some(who);
                }
            }
        }
    }

    /// The due time of a record is the first at which time alone changes it.
    #[test]
    fn due_is_when_time_changes_something(steps in proptest::collection::vec((0_u8..3, 0_u64..64), 0..6), probe in 0_u64..200_000) {
        let mut row = Row::of(create(Size::Complete(64)));
        for (who, upto) in steps {
            let _busy = row.claim(5, who);
            let _refused = row.give(6, who, 0..upto);
        }
        let Some(record) = row.0.clone() else { return Ok(()) };
        let due = due(&record);
        row.run(probe.max(7), Command::Settle).unwrap();
        prop_assert_eq!(row.0.as_ref() != Some(&record), Millis::new(probe.max(7)) >= due);
    }
}
