//! A caller that stops waiting leaves the outcome open and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

#[path = "support/folders.rs"]
mod folders;

use std::task::{Context, Poll, Waker};

use folders::{assert_exact, folder, one_segment, open, record_of};
use frame_log::{AppendError, FrameLog as _, conformance};
use protocol::Seq;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_tells_what_became_of_a_dropped_append() {
    let folder = folder();
    let log = open(folder.path(), one_segment());
    let group = conformance::group(1);
    let (mut seen_before_drop, mut dropped) = (0, 0);
    for seq in 0..200 {
        let at = Seq::new(seq);
        {
            let mut append = log.append(&group, at, record_of(1, seq));
            // Polled once: the request is on its way, and the answer has nowhere to go.
            match append.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => {
                    assert_eq!(result, Ok(at));
                    seen_before_drop += 1;
                }
                Poll::Pending => dropped += 1,
            }
        }
        match log.append(&group, at, record_of(1, seq)).await {
            Ok(got) => assert_eq!(got, at, "the dropped one was not appended"),
            Err(AppendError::Duplicate { seq: there, th }) => {
                assert_eq!((there, th), (at, record_of(1, seq).th))
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(seen_before_drop + dropped, 200);
    assert!(dropped > 0);
    assert_eq!(assert_exact(&log, 1, 200).await, 200);
}
