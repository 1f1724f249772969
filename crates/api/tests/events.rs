//! Events as text: golden, and read back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test helpers"
)]

use api::{
    ErrorCode, Problem,
    events::{Event, EventError, Extent, HEARTBEAT, ResetReason},
    frames::{EventId, ServedFrameBytes, StreamEpoch},
};
use protocol::Seq;

fn events() -> Vec<Event> {
    let extent = Extent { stream_epoch: StreamEpoch::new(3), head: Seq::new(41), horizon: Seq::new(7) };
    vec![
        Event::Open { extent, next: Seq::new(40) },
        Event::Frame {
            id: EventId { stream_epoch: StreamEpoch::new(3), seq: Seq::new(40) },
            frame: ServedFrameBytes::new(vec![0xfb; 40]),
        },
        Event::Reset { reason: ResetReason::HistoryGap, extent },
        Event::Reset { reason: ResetReason::Restored, extent },
        Event::Problem(Problem::new(ErrorCode::FollowerLagged).with_instance("9f2c51d07be3a846")),
    ]
}

#[test]
fn golden() {
    let text: String = events().iter().map(Event::to_text).collect();
    insta::assert_snapshot!(text + HEARTBEAT);
}

#[test]
fn read_back() {
    for event in events() {
        let text = event.to_text();
        // One line per field and one empty line at the end: a line break in the data would end the event early.
        let body = text.strip_suffix("\n\n").unwrap();
        assert!(!body.contains("\n\n"));
        let field = |name: &str| {
            body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
        };
        assert_eq!(Event::parse(field("event"), field("id"), field("data")), Ok(event));
    }
}

#[test]
fn wrong_events_are_refused() {
    assert_eq!(Event::parse("later", "", "{}"), Err(EventError::UnknownName));
    for (name, id, data) in [
        ("open", "", "{}"),
        ("open", "", ""),
        ("frame", "", "AQID"),
        ("frame", "3", "AQID"),
        ("frame", "3-40", "A"),
        ("reset", "", r#"{"reason":"x","stream_epoch":1,"head":1,"horizon":1}"#),
    ] {
        assert_eq!(Event::parse(name, id, data), Err(EventError::Malformed), "{name} {id} {data}");
    }
}

#[test]
fn a_problem_event_that_says_nothing_is_an_internal_error() {
    let event = Event::parse("problem", "", "garbage");
    assert_eq!(event, Ok(Event::Problem(Problem::new(ErrorCode::Internal))));
}
