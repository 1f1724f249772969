//! The suite every store runs against itself.
//!
//! What is allowed is tested where it is decided, in `drop-state`. Here it is tested that a store applies it: that it
//! writes what the function says, all of it or nothing, and one command on a drop after the other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    reason = "a test suite"
)]

mod model;

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use drop_state::{Answer, BodyId, Command, Create, DropId, Millis, Reader, Refusal, Size, TokenHash};

use super::{BodyKey, Copy, Payload, Segment, Store, Usage};

const NOW: Millis = Millis::new(1_000_000);
const LEASE: u64 = 60_000;
const EXPIRES: Millis = Millis::new(2_000_000);

/// Runs everything against stores that `make` gives, each time an empty one.
///
/// # Panics
/// When the store does not do what [`Store`] promises.
pub async fn run<S: Store + 'static, F: Future<Output = S>>(make: impl Fn() -> F) {
    inline_drops_are_taken_once(&make().await).await;
    a_body_in_pieces_lives_and_is_left_to_be_erased(&make().await).await;
    time_is_found_by_its_order(&make().await).await;
    copies_share_a_body(&make().await).await;
    refused_copies_leave_nothing(&make().await).await;
    many_at_once_are_one_after_the_other(Arc::new(make().await)).await;
    model::compare(&make().await).await;
}

fn id(n: u8) -> DropId {
    DropId::from_random([n; 16])
}

fn body(n: u8) -> BodyId {
    BodyId::from_bytes([n; 16])
}

fn token(n: u8) -> TokenHash {
    TokenHash::of(&[n; 32])
}

fn reader() -> Reader {
    Reader { access: Some(token(b'a')), unlock: None }
}

fn create(n: u8, size: Size, inline: bool) -> Command {
    Command::Create(Box::new(Create {
        body: body(n),
        size,
        inline,
        text: inline,
        info: vec![1, 2, 3],
        access: Some(token(b'a')),
        unlock: None,
        deleter: token(n),
        upload: (!inline).then(|| token(n ^ 0x80)),
        expires: EXPIRES,
    }))
}

fn inline(n: u8, bytes: &'static [u8]) -> (Command, Payload) {
    let size = Size::Complete(bytes.len() as u64);
    (create(n, size, true), Payload::Inline(Bytes::from_static(bytes)))
}

fn take() -> Command {
    Command::Take { reader: reader(), by: token(b't'), lease: LEASE, text: false }
}

async fn ask(store: &impl Store, n: u8, command: Command, payload: Payload) -> Result<Answer, Refusal> {
    store.apply(id(n), command, payload, NOW).await.unwrap().answer
}

async fn inline_drops_are_taken_once(store: &impl Store) {
    let (command, payload) = inline(1, b"a secret");
    assert!(matches!(ask(store, 1, command.clone(), payload.clone()).await, Ok(Answer::Created(_))));
    assert!(matches!(ask(store, 1, command, payload).await, Ok(Answer::Existed(_))));
    let (_, payload) = inline(2, b"another");
    assert_eq!(
        ask(store, 1, create(2, Size::Complete(7), true), payload).await,
        Err(Refusal::Exists),
        "the id is somebody else's"
    );
    assert_eq!(store.usage().await.unwrap(), Usage { drops: 1, bytes: 8, to_erase: 0 });

    let Ok(Answer::Seen(view)) = ask(store, 1, Command::Look { reader: reader() }, Payload::None).await
    else {
        panic!("not seen")
    };
    assert_eq!((view.size, view.info.as_slice(), view.expires), (8, [1, 2, 3].as_slice(), EXPIRES));

    let taken = store.apply(id(1), take(), Payload::None, NOW).await.unwrap();
    assert_eq!(taken.bytes.as_deref(), Some(b"a secret".as_slice()));
    assert!(!taken.to_erase);
    let again = store.apply(id(1), take(), Payload::None, NOW).await.unwrap();
    assert_eq!((again.answer, again.bytes), (Err(Refusal::Gone), None));
    assert_eq!(store.usage().await.unwrap(), Usage::default());
    store.scrub().await.unwrap();

    let (command, payload) = inline(1, b"");
    ask(store, 1, command, payload).await.unwrap();
    assert_eq!(store.apply(id(1), take(), Payload::None, NOW).await.unwrap().bytes.as_deref(), Some(&[][..]));
}

async fn a_body_in_pieces_lives_and_is_left_to_be_erased(store: &impl Store) {
    let key = BodyKey::from_bytes([9; 32]);
    let coming = Size::Coming { whole: Some(10), deadline: EXPIRES };
    ask(store, 1, create(1, coming, false), Payload::Key(key.clone())).await.unwrap();
    assert_eq!(store.by_upload(token(1 ^ 0x80)).await.unwrap(), Some(id(1)));
    assert_eq!(store.by_upload(token(77)).await.unwrap(), None);

    let append = |bytes| Command::Append { upload: token(1 ^ 0x80), bytes, deadline: EXPIRES };
    let first = Segment { start: 0, len: 4, name: [1; 16] };
    let second = Segment { start: 4, len: 6, name: [2; 16] };
    ask(store, 1, append(0..4), Payload::Segment(first)).await.unwrap();
    let repeated = ask(store, 1, append(0..4), Payload::Segment(first)).await;
    assert_eq!(repeated, Err(Refusal::Offset { at: 4 }), "and nothing is written for it");
    assert_eq!(store.parts(body(1)).await.unwrap().unwrap().segments, [first]);
    let Ok(Answer::Progress { complete, .. }) = ask(store, 1, append(4..10), Payload::Segment(second)).await
    else {
        panic!("no progress")
    };
    assert!(complete);
    let parts = store.parts(body(1)).await.unwrap().unwrap();
    assert_eq!((parts.key, parts.segments), (key, vec![first, second]));
    assert_eq!(store.usage().await.unwrap().bytes, 10);
    assert_eq!(store.unknown(&[body(1), body(2)]).await.unwrap(), [body(2)]);

    let claim = Command::Claim { reader: reader(), by: token(b'c'), lease: LEASE };
    ask(store, 1, claim, Payload::None).await.unwrap();
    let give = Command::Give { by: token(b'c'), bytes: 0..10, lease: LEASE };
    let given = store.apply(id(1), give, Payload::None, NOW).await.unwrap();
    assert!(matches!(given.answer, Ok(Answer::Given(given)) if !given.inline && given.body == body(1)));
    assert_eq!(given.bytes, None);
    let confirmed =
        store.apply(id(1), Command::Confirm { by: token(b'c') }, Payload::None, NOW).await.unwrap();
    assert!(confirmed.to_erase);
    assert_eq!(store.parts(body(1)).await.unwrap(), None, "the key is gone with the record");
    assert_eq!(store.by_upload(token(1 ^ 0x80)).await.unwrap(), None);
    assert_eq!(store.to_erase(10).await.unwrap(), [body(1)]);
    assert!(store.unknown(&[body(1)]).await.unwrap().is_empty(), "not an orphan, but to be erased");
    store.erased(body(1)).await.unwrap();
    assert!(store.to_erase(10).await.unwrap().is_empty());
    assert_eq!(store.unknown(&[body(1)]).await.unwrap(), [body(1)]);
}

async fn time_is_found_by_its_order(store: &impl Store) {
    for n in 1..=3 {
        let (Command::Create(mut create), payload) = inline(n, b"x") else { panic!() };
        create.expires = Millis::new(2_000_000 - u64::from(n) * 1000);
        ask(store, n, Command::Create(create), payload).await.unwrap();
    }
    assert!(store.due(NOW, 10).await.unwrap().is_empty());
    assert_eq!(store.due(Millis::new(1_998_000), 10).await.unwrap(), [id(3), id(2)]);
    assert_eq!(store.due(EXPIRES, 1).await.unwrap(), [id(3)]);
    // A claim is due before the drop is.
    let claim = Command::Claim { reader: reader(), by: token(b'c'), lease: LEASE };
    ask(store, 1, claim, Payload::None).await.unwrap();
    assert_eq!(store.due(NOW.after(LEASE), 10).await.unwrap(), [id(1)]);
    let settled = store.apply(id(1), Command::Settle, Payload::None, NOW.after(LEASE)).await.unwrap();
    assert_eq!(settled.answer, Ok(Answer::Done));
    assert!(store.due(NOW.after(LEASE), 10).await.unwrap().is_empty());
    store.apply(id(3), Command::Settle, Payload::None, EXPIRES).await.unwrap();
    assert_eq!(store.usage().await.unwrap().drops, 2);
}

fn copy(n: u8) -> Copy {
    Copy { id: id(n), info: vec![n], access: Some(token(b'a')), unlock: None }
}

async fn complete_outside(store: &impl Store, n: u8) {
    let coming = Size::Coming { whole: Some(4), deadline: EXPIRES };
    let key = Payload::Key(BodyKey::from_bytes([9; 32]));
    ask(store, n, create(n, coming, false), key).await.unwrap();
    let append = Command::Append { upload: token(n ^ 0x80), bytes: 0..4, deadline: EXPIRES };
    let segment = Segment { start: 0, len: 4, name: [1; 16] };
    ask(store, n, append, Payload::Segment(segment)).await.unwrap();
}

async fn copies_share_a_body(store: &impl Store) {
    complete_outside(store, 1).await;
    let share = async |by, copies| store.share(id(1), token(by), copies, NOW).await.unwrap();
    assert_eq!(share(99, vec![copy(10)]).await, Err(Refusal::Gone), "not the creator's token");
    assert_eq!(share(1, vec![copy(10), copy(11)]).await.unwrap().size, 4);
    share(1, vec![copy(11), copy(12)]).await.unwrap();
    assert_eq!(store.usage().await.unwrap(), Usage { drops: 4, bytes: 4, to_erase: 0 });

    for n in [10, 1, 12] {
        let deleted = Command::Delete { by: token(1) };
        let applied = store.apply(id(n), deleted, Payload::None, NOW).await.unwrap();
        assert_eq!((applied.answer, applied.to_erase), (Ok(Answer::Done), false));
    }
    let Ok(Answer::Given(given)) = ask(store, 11, take(), Payload::None).await else { panic!("not given") };
    assert_eq!((given.body, given.size, given.erased), (body(1), 4, false));
    let confirmed =
        store.apply(id(11), Command::Confirm { by: token(b't') }, Payload::None, NOW).await.unwrap();
    assert!(confirmed.to_erase, "the body goes with its last drop");

    let (command, payload) = inline(2, b"words");
    ask(store, 2, command, payload).await.unwrap();
    store.share(id(2), token(2), vec![copy(20)], NOW).await.unwrap().unwrap();
    for n in [2, 20] {
        let taken = store.apply(id(n), take(), Payload::None, NOW).await.unwrap();
        assert_eq!(taken.bytes.as_deref(), Some(b"words".as_slice()));
    }
    assert_eq!(store.usage().await.unwrap(), Usage { drops: 0, bytes: 0, to_erase: 1 });
}

async fn refused_copies_leave_nothing(store: &impl Store) {
    complete_outside(store, 1).await;
    complete_outside(store, 2).await;
    let shared = store.share(id(1), token(1), vec![copy(10), copy(2)], NOW).await.unwrap();
    assert_eq!(shared, Err(Refusal::Exists));
    assert_eq!(ask(store, 10, take(), Payload::None).await, Err(Refusal::Gone));
    let unfinished = create(3, Size::Coming { whole: Some(4), deadline: EXPIRES }, false);
    ask(store, 3, unfinished, Payload::Key(BodyKey::from_bytes([9; 32]))).await.unwrap();
    let shared = store.share(id(3), token(3), vec![copy(11)], NOW).await.unwrap();
    assert_eq!(shared, Err(Refusal::Gone), "there is nothing to share yet");
}

async fn many_at_once_are_one_after_the_other<S: Store + 'static>(store: Arc<S>) {
    const MANY: u8 = 100;
    async fn all<S: Store + 'static>(
        store: &Arc<S>,
        command: impl Fn(u8) -> (Command, Payload),
    ) -> Vec<(Result<Answer, Refusal>, Option<Bytes>)> {
        let tasks: Vec<_> = (0..MANY)
            .map(|n| {
                let (store, (command, payload)) = (Arc::clone(store), command(n));
                tokio::spawn(async move { store.apply(id(1), command, payload, NOW).await.unwrap() })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            let applied = task.await.unwrap();
            answers.push((applied.answer, applied.bytes));
        }
        answers
    }
    let good = |answers: Vec<(Result<Answer, Refusal>, Option<Bytes>)>| {
        answers.into_iter().filter(|(answer, _)| answer.is_ok()).count()
    };

    // Creators with tokens of their own: one gets the id.
    let made =
        all(&store, |n| (create(n, Size::Complete(1), true), Payload::Inline(Bytes::from_static(b"x"))))
            .await;
    assert_eq!(good(made), 1);
    assert_eq!(store.usage().await.unwrap(), Usage { drops: 1, bytes: 1, to_erase: 0 });
    let claim = |n| (Command::Claim { reader: reader(), by: token(n), lease: LEASE }, Payload::None);
    let claimed = all(&store, claim).await;
    let holder = claimed.iter().position(|(answer, _)| answer.is_ok()).unwrap();
    assert_eq!(good(claimed), 1);
    let give_back = Command::GiveBack { by: token(u8::try_from(holder).unwrap()) };
    store.apply(id(1), give_back, Payload::None, NOW).await.unwrap().answer.unwrap();
    let taken = all(&store, |_| (take(), Payload::None)).await;
    assert_eq!(taken.iter().filter(|(_, bytes)| bytes.is_some()).count(), 1);
    assert_eq!(good(taken), 1);
    assert_eq!(store.usage().await.unwrap(), Usage::default());
}
