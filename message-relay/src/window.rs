//! Messages under way to a stream, and what follows from what becomes of them.
//!
//! Every message says which sequence the stream must be at, one more than the message before it. So messages need not
//! wait for each other, and still none can overtake another, be stored twice, or be stored behind something that a
//! different writer has put there. This is only arithmetic; the sending is in [`publisher`](crate::publisher).

use std::collections::VecDeque;

/// What a window holds: how much memory and how many messages may be under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Messages.
    pub messages: usize,
    /// Their bytes; a single message may have more.
    pub bytes: usize,
}

/// What the server said about the oldest message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Stored at this sequence.
    Stored(u64),
    /// Not stored: its id is known.
    Duplicate,
    /// Not stored: the stream is not where the message says.
    WrongSequence,
    /// Not stored, and never will be: too large, for example.
    Unacceptable,
    /// Nobody knows: no answer, no connection, no stream, no space.
    Unknown,
}

/// Why sending stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The stream is elsewhere: another writer, or an older message of this one.
    Moved,
    /// The oldest message can never be stored.
    Unacceptable,
    /// The server took a message for one that it knows.
    Duplicate,
    /// The answer is missing or says nothing about the message.
    Unknown,
}

/// The stream holds something at its end that was not sent from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign;

/// Messages that were sent and not yet acknowledged, oldest first.
#[derive(Debug)]
pub struct Window<T> {
    bounds: Bounds,
    /// The sequence of the last message that is known to be stored.
    last: u64,
    flying: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Window<T> {
    /// An empty one, for a stream that ends at sequence `last`.
    #[must_use]
    pub const fn new(last: u64, bounds: Bounds) -> Self {
        Self { bounds, last, flying: VecDeque::new(), bytes: 0 }
    }

    /// The sequence of the last message known to be stored.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// How many messages are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flying.len()
    }

    /// Whether nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }

    /// Bytes under way.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether one more message of `bytes` may be sent.
    #[must_use]
    pub fn admits(&self, bytes: usize) -> bool {
        self.flying.is_empty()
            || (self.flying.len() < self.bounds.messages
                && self.bytes.saturating_add(bytes) <= self.bounds.bytes)
    }

    /// Adds a message and returns the sequence at which the stream must be for it.
    pub fn push(&mut self, message: T, bytes: usize) -> u64 {
        let expected = self.expected(self.flying.len());
        self.flying.push_back((message, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
        expected
    }

    /// The sequence at which the stream must be for the message at this place in the window.
    #[must_use]
    pub fn expected(&self, at: usize) -> u64 {
        self.last.saturating_add(at as u64)
    }

    /// Takes the answer about the oldest message, and returns the message if it is stored where it belongs. Otherwise
    /// nothing more may be sent before [`settle`](Self::settle).
    ///
    /// # Errors
    /// [`Stop`].
    pub fn answered(&mut self, answer: Answer) -> Result<Option<T>, Stop> {
        match answer {
            Answer::Stored(sequence) if sequence == self.last.saturating_add(1) => {
                self.last = sequence;
                Ok(self.pop())
            }
            // Acknowledged, but elsewhere: this is not the stream it was.
            Answer::Stored(_) | Answer::WrongSequence => Err(Stop::Moved),
            Answer::Duplicate => Err(Stop::Duplicate),
            Answer::Unacceptable => Err(Stop::Unacceptable),
            Answer::Unknown => Err(Stop::Unknown),
        }
    }

    /// Takes the oldest message out although it is not stored.
    pub fn give_up(&mut self) -> Option<T> {
        self.pop()
    }

    /// Goes on from where the stream is found to end: `last` is its last sequence, and `is_it` tells whether the message
    /// there is one of those under way. Returns the messages that turn out to be stored; the others are to be sent
    /// again.
    ///
    /// Since each message is stored directly behind the one before it or not at all, one that is stored proves those
    /// before it to be.
    ///
    /// # Errors
    /// [`Foreign`] if the last message was not sent from here; nothing in the window means anything then.
    pub fn settle(&mut self, last: u64, is_it: impl Fn(&T) -> bool) -> Result<Vec<T>, Foreign> {
        if last == self.last {
            return Ok(Vec::new());
        }
        let at = self.flying.iter().position(|(message, _)| is_it(message)).ok_or(Foreign)?;
        // A message may be found at another place than it was last sent for, never at an earlier one than it can have.
        if last < self.expected(at).saturating_add(1) {
            return Err(Foreign);
        }
        self.last = last;
        Ok((0..=at).filter_map(|_| self.pop()).collect())
    }

    /// The messages under way, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.flying.iter().map(|(message, _)| message)
    }

    fn pop(&mut self) -> Option<T> {
        let (message, bytes) = self.flying.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    const BOUNDS: Bounds = Bounds { messages: 3, bytes: 10 };

    #[test]
    fn holds_no_more_than_its_bounds() {
        let mut window = Window::new(7, BOUNDS);
        assert!(window.admits(100), "one always");
        assert_eq!(window.push("a", 8), 7);
        assert!(window.admits(2) && !window.admits(3));
        assert_eq!(window.push("b", 1), 8);
        assert_eq!(window.push("c", 1), 9);
        assert!(!window.admits(0));
        assert_eq!(window.answered(Answer::Stored(8)), Ok(Some("a")));
        assert_eq!((window.last(), window.len(), window.bytes()), (8, 2, 2));
    }

    #[test]
    fn stops_at_whatever_is_not_as_expected() {
        for (answer, stop) in [
            (Answer::Stored(9), Stop::Moved),
            (Answer::Stored(7), Stop::Moved),
            (Answer::WrongSequence, Stop::Moved),
            (Answer::Duplicate, Stop::Duplicate),
            (Answer::Unacceptable, Stop::Unacceptable),
            (Answer::Unknown, Stop::Unknown),
        ] {
            let mut window = Window::new(7, BOUNDS);
            window.push("a", 1);
            assert_eq!(window.answered(answer), Err(stop));
            assert_eq!((window.last(), window.len()), (7, 1), "nothing is forgotten");
        }
    }

    #[test]
    fn what_is_stored_proves_what_came_before() {
        let window = || {
            let mut window = Window::new(7, BOUNDS);
            for message in ["a", "b", "c"] {
                window.push(message, 1);
            }
            window
        };
        assert_eq!(window().settle(7, |_| false), Ok(vec![]));
        let mut some = window();
        assert_eq!(some.settle(9, |message| *message == "b"), Ok(vec!["a", "b"]));
        assert_eq!((some.last(), some.len()), (9, 1));
        assert_eq!(window().settle(10, |message| *message == "c"), Ok(vec!["a", "b", "c"]));
        assert_eq!(window().settle(8, |_| false), Err(Foreign), "another writer");
        assert_eq!(window().settle(6, |_| false), Err(Foreign), "a stream that lost its end");
        assert_eq!(window().settle(8, |message| *message == "b"), Err(Foreign), "not where it can be");
    }

    /// A stream as the server keeps it: takes a message that expects its last sequence and, behind another of the same
    /// run, the last id.
    #[derive(Default)]
    struct Stream(Vec<(u32, u64)>);

    #[derive(Clone, Copy)]
    struct Sent {
        expected: u64,
        behind: Option<(u32, u64)>,
        id: (u32, u64),
    }

    impl Stream {
        fn take(&mut self, sent: Sent) -> Answer {
            let last = self.0.len() as u64;
            if sent.expected != last || sent.behind.is_some_and(|id| self.0.last() != Some(&id)) {
                return Answer::WrongSequence;
            }
            self.0.push(sent.id);
            Answer::Stored(last + 1)
        }
    }

    proptest! {
        /// Messages and answers are lost, delayed and held back for later at will; strangers write in between. A writer
        /// that never meets a stranger stores everything once and in order; one that does knows it.
        #[test]
        fn whatever_happens_nothing_is_lost_repeated_or_overtaken(
            fate in vec((0..8_u8, any::<bool>()), 1..300),
            strangers in any::<bool>(),
        ) {
            let mut stream = Stream::default();
            let mut window = Window::new(0, Bounds { messages: 5, bytes: 1_000 });
            let (mut next, mut run, mut behind) = (0_u64, 0_u32, None);
            let mut held: Vec<Sent> = Vec::new();
            let mut answers: VecDeque<Answer> = VecDeque::new();
            let mut foreign = false;
            'all: for (what, late) in fate {
                match what {
                    0..=3 if window.admits(1) => {
                        let expected = window.push(next, 1);
                        let sent = Sent { expected, behind, id: (run, next) };
                        behind = Some(sent.id);
                        next += 1;
                        // Held back, it arrives after everything that was not.
                        if what == 3 { held.push(sent); answers.push_back(Answer::Unknown) }
                        else {
                            let answer = stream.take(sent);
                            answers.push_back(if late { Answer::Unknown } else { answer });
                        }
                    }
                    4 => for sent in held.drain(..) { stream.take(sent); },
                    5 if strangers => stream.0.push((u32::MAX, 0)),
                    _ => {
                        let Some(answer) = answers.pop_front() else { continue };
                        if window.answered(answer).is_ok() { continue }
                        answers.clear();
                        let last = stream.0.last().copied();
                        let settled = window.settle(stream.0.len() as u64, |message| {
                            last.is_some_and(|(by, id)| by != u32::MAX && id == *message)
                        });
                        if settled.is_err() { foreign = true; break 'all }
                        run += 1;
                        behind = None;
                        for at in 0..window.len() {
                            let id = (run, *window.iter().nth(at).unwrap());
                            let sent = Sent { expected: window.expected(at), behind, id };
                            behind = Some(id);
                            answers.push_back(stream.take(sent));
                        }
                    }
                }
            }
            let ours: Vec<u64> = stream.0.iter().filter(|(by, _)| *by != u32::MAX).map(|(_, id)| *id).collect();
            // Once and in order, also what was held back; and what counts as stored is.
            prop_assert_eq!(&ours, &(0..ours.len() as u64).collect::<Vec<_>>());
            let acknowledged = next - window.len() as u64;
            prop_assert!(ours.len() as u64 >= acknowledged);
            prop_assert!(strangers || !foreign);
        }
    }
}
