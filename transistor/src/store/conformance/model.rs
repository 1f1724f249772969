//! A store beside a map in memory, both told the same.

use std::collections::HashMap;

use drop_state::{Answer, Command, DropId, Millis, Record, Write, apply};

use super::{EXPIRES, LEASE, body, create, id, reader, token};
use crate::store::{BodyKey, Payload, Segment, Store};
use bytes::Bytes;
use drop_state::Size;

/// Commands told.
const STEPS: usize = 1500;
/// Drops they are about.
const DROPS: u64 = 4;

/// A repeatable sequence that looks like chance (xorshift, Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn small(&mut self, n: u64) -> u8 {
        u8::try_from(self.below(n)).unwrap()
    }
}

/// Whatever a store is told, it answers what the function answers on its own.
pub(super) async fn compare(store: &impl Store) {
    let mut chance = Chance(0x6b69_7468);
    let mut model: HashMap<DropId, Record> = HashMap::new();
    let mut now = 1_000_000;
    let mut bodies = 0_u8;
    let mut kinds = [0_u32; 3];
    for step in 0..STEPS {
        now += chance.below(LEASE / 20);
        let n = chance.small(DROPS);
        let at = model.get(&id(n)).map_or(0, |record| record.size);
        let (command, payload) = command(&mut chance, n, at, now, &mut bodies);
        let expected = apply(model.get(&id(n)), &command, Millis::new(now));
        match expected.write {
            Write::Keep => {}
            Write::Put(record) | Write::Insert(record) | Write::Replace(record) => {
                model.insert(id(n), *record);
            }
            Write::Erase => {
                model.remove(&id(n));
            }
        }
        kinds[match &expected.answer {
            Ok(Answer::Given(_)) => 0,
            Ok(_) => 1,
            Err(_) => 2,
        }] += 1;
        let applied = store.apply(id(n), command.clone(), payload, Millis::new(now)).await.unwrap();
        assert_eq!(applied.answer, expected.answer, "step {step}: {command:?}");
        let inline = matches!(&applied.answer, Ok(Answer::Given(given)) if given.inline);
        assert_eq!(applied.bytes.is_some(), inline);
        if step % 50 == 0 {
            assert_eq!(store.usage().await.unwrap().drops, model.len() as u64);
        }
    }
    assert!(kinds.iter().all(|kind| *kind > 20), "the commands do something: {kinds:?}");
    for (id, record) in &model {
        if !record.inline {
            let parts = store.parts(record.body).await.unwrap().unwrap();
            assert_eq!(parts.segments.iter().map(|segment| segment.len).sum::<u64>(), record.size);
        }
        store
            .apply(*id, Command::Delete { by: record.deleter }, Payload::None, Millis::new(now))
            .await
            .unwrap();
    }
    for left in store.to_erase(1000).await.unwrap() {
        assert_eq!(store.parts(left).await.unwrap(), None);
        store.erased(left).await.unwrap();
    }
    assert_eq!(store.usage().await.unwrap(), super::Usage::default());
}

fn command(chance: &mut Chance, n: u8, at: u64, now: u64, bodies: &mut u8) -> (Command, Payload) {
    let by = token(chance.small(3));
    let upload = token(n ^ 0x80);
    let later = Millis::new(now + 10 * LEASE);
    let command = match chance.below(16) {
        0..=2 => {
            *bodies = bodies.wrapping_add(1);
            let inline = chance.below(2) == 0;
            let size = if inline {
                Size::Complete(5)
            } else {
                Size::Coming { whole: (chance.below(2) == 0).then_some(20), deadline: later }
            };
            let Command::Create(mut create) = create(n, size, inline) else { unreachable!() };
            create.body = drop_state::BodyId::from_bytes([
                body(0).as_bytes()[0],
                *bodies,
                n,
                now.to_be_bytes()[7],
                now.to_be_bytes()[6],
                now.to_be_bytes()[5],
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                1,
            ]);
            create.expires = EXPIRES.after(now);
            let payload = if inline {
                Payload::Inline(Bytes::from_static(b"12345"))
            } else {
                Payload::Key(BodyKey::from_bytes([7; 32]))
            };
            return (Command::Create(create), payload);
        }
        3..=6 => {
            let from = if chance.below(4) == 0 { chance.below(20) } else { at };
            let len = chance.below(9);
            let segment = Segment { start: from, len, name: [n; 16] };
            let append = Command::Append { upload, bytes: from..from + len, deadline: later };
            return (append, Payload::Segment(segment));
        }
        7 => Command::Finish { upload },
        8 => Command::Progress { upload },
        9 => Command::Look { reader: reader() },
        10 | 11 => Command::Claim { reader: reader(), by, lease: LEASE },
        12 => {
            let from = chance.below(20);
            Command::Give { by, bytes: from..from + chance.below(20), lease: LEASE }
        }
        13 => Command::Take { reader: reader(), by, lease: LEASE, text: chance.below(2) == 0 },
        14 => match chance.below(4) {
            0 => Command::Confirm { by },
            1 => Command::Delete { by: token(n) },
            _ => Command::GiveBack { by },
        },
        _ => Command::Settle,
    };
    (command, Payload::None)
}
