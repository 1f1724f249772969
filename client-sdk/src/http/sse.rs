//! Server-sent events (HTML Living Standard, section 9.2.6), as far as a node uses them.
//!
//! Two things differ from a browser's reader: text that is not UTF-8 is an error, and an id belongs to the event it
//! stands in instead of to all that follow, so that a frame without an id is noticed.

use api::events::{Event, EventError};
use thiserror::Error;

/// Longest line and longest data of an event, in bytes: the largest frame in base64, with room.
const MAX_EVENT: usize = 512 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a stream holds that is not an event of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum SseError {
    /// A line or an event longer than any a node sends.
    #[error("an event is too long")]
    TooLong,
    /// Not text, or not what the event's name promises.
    #[error("an event is malformed")]
    Malformed,
}

/// Bytes in, events out. Holds at most one line and one event.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last byte was a carriage return, so a line feed now belongs to it.
    after_return: bool,
    /// A line has ended, so a byte order mark can no longer come.
    begun: bool,
    name: String,
    id: String,
    data: String,
}

impl Parser {
    /// Takes bytes however they are cut, and gives the events they complete. After an error the stream is of no use.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut found: impl FnMut(Event)) -> Result<(), SseError> {
        while let Some((first, rest)) = bytes.split_first() {
            if core::mem::take(&mut self.after_return) && *first == b'\n' {
                bytes = rest;
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if part.len() > MAX_EVENT - self.line.len() {
                return Err(SseError::TooLong);
            }
            self.line.extend_from_slice(part);
            let Some((ending, rest)) = rest.split_first() else { return Ok(()) };
            self.after_return = *ending == b'\r';
            bytes = rest;
            let line = core::mem::take(&mut self.line);
            if let Some(event) = self.end_line(&line)? {
                found(event);
            }
            // Its memory serves the next line.
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    fn end_line(&mut self, mut line: &[u8]) -> Result<Option<Event>, SseError> {
        if !core::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            return self.end_event();
        }
        let line = core::str::from_utf8(line).map_err(|_| SseError::Malformed)?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "data" => {
                if value.len() >= MAX_EVENT - self.data.len() {
                    return Err(SseError::TooLong);
                }
                self.data.push_str(value);
                self.data.push('\n');
            }
            // Lines without a field name are comments, which keep the link alive; how long to wait before connecting
            // again is decided by whoever connects.
            _ => {}
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Result<Option<Event>, SseError> {
        let name = core::mem::take(&mut self.name);
        let id = core::mem::take(&mut self.id);
        let data = core::mem::take(&mut self.data);
        let Some(data) = data.strip_suffix('\n') else { return Ok(None) };
        match Event::parse(&name, &id, data) {
            Ok(event) => Ok(Some(event)),
            // A newer node may say more than we know.
            Err(EventError::UnknownName) => Ok(None),
            Err(_) => Err(SseError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use api::{
        ErrorCode, Problem,
        events::{Extent, HEARTBEAT, ResetReason},
        frames::{EventId, ServedFrameBytes, StreamEpoch},
    };
    use proptest::prelude::*;
    use protocol::Seq;

    use super::*;

    fn parse(chunks: &[&[u8]]) -> Result<Vec<Event>, SseError> {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for chunk in chunks {
            parser.push(chunk, |event| events.push(event))?;
        }
        Ok(events)
    }

    fn frame(seq: u64, bytes: &[u8]) -> Event {
        let id = EventId { stream_epoch: StreamEpoch::new(3), seq: Seq::new(seq) };
        Event::Frame { id, frame: ServedFrameBytes::new(bytes.to_vec()) }
    }

    fn one_of_each() -> Vec<Event> {
        let extent = Extent { stream_epoch: StreamEpoch::new(3), head: Seq::new(9), horizon: Seq::new(1) };
        vec![
            Event::Open { extent, next: Seq::new(4) },
            frame(4, b"four"),
            Event::Reset { reason: ResetReason::HistoryGap, extent },
            Event::Problem(Problem::new(ErrorCode::FollowerLagged)),
        ]
    }

    proptest! {
        #[test]
        fn events_come_out_whole_however_the_bytes_are_cut(
            cuts in proptest::collection::vec(1_usize..40, 0..60),
            ending in prop::sample::select(vec!["\n", "\r", "\r\n"]),
        ) {
            let mut text = String::from("\u{feff}");
            for event in one_of_each() {
                text.push_str(HEARTBEAT);
                text.push_str(&event.to_text());
            }
            let text = text.replace('\n', ending);
            let (mut rest, mut chunks) = (text.as_bytes(), Vec::new());
            for cut in cuts {
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            chunks.push(rest);
            prop_assert_eq!(parse(&chunks).unwrap(), one_of_each());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&[&bytes]);
        }
    }

    #[test]
    fn the_corpus_of_the_fuzzer_is_read_the_same_however_it_is_cut() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/corpus/event_stream");
        let mut replayed = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let single: Vec<&[u8]> = bytes[1..].chunks(1).collect();
            assert_eq!(parse(&[&bytes[1..]]), parse(&single));
            replayed += 1;
        }
        assert!(replayed > 1);
    }

    #[test]
    fn fields_are_read_as_the_standard_says() {
        let problem = |code: &str| format!("{{\"code\":\"{code}\"}}");
        let busy = Event::parse("problem", "", &problem("busy")).unwrap();
        // The first space only is taken off; a later name wins; a comment inside does not matter.
        let text =
            format!("event: x\nevent:problem\n: comment\ndata:{}\nretry: 5\nnonsense\n\n", problem("busy"));
        assert_eq!(parse(&[text.as_bytes()]).unwrap(), core::slice::from_ref(&busy));
        // Data of several lines is one document.
        let text = "event: problem\ndata: {\"code\":\ndata: \"busy\"}\n\n";
        assert_eq!(parse(&[text.as_bytes()]).unwrap(), [busy]);
        // An event without data, one of a name from the future, and one that never ends are none.
        let text = "event: problem\n\nevent: later\ndata: x\n\nevent: problem\ndata: {}\n";
        assert_eq!(parse(&[text.as_bytes()]).unwrap(), []);
    }

    #[test]
    fn a_frame_needs_an_id_of_its_own() {
        let text = format!("{}event: frame\ndata: Zm91cg==\n\n", frame(4, b"four").to_text());
        assert_eq!(parse(&[text.as_bytes()]), Err(SseError::Malformed));
        let text = "id: 3-4\0\nevent: frame\ndata: Zm91cg==\n\n";
        assert_eq!(parse(&[text.as_bytes()]), Err(SseError::Malformed));
    }

    #[test]
    fn garbage_is_refused() {
        for text in ["event: frame\nid: 3-4\ndata: !\n\n", "event: open\ndata: []\n\n"] {
            assert_eq!(parse(&[text.as_bytes()]), Err(SseError::Malformed), "{text}");
        }
        assert_eq!(parse(&[b"data: \xff\xfe\n"]), Err(SseError::Malformed));
    }

    #[test]
    fn lines_and_events_are_bounded() {
        let endless = vec![b'a'; MAX_EVENT + 1];
        assert_eq!(parse(&[&endless]), Err(SseError::TooLong));
        assert_eq!(parse(&[&endless[..MAX_EVENT], b"a"]), Err(SseError::TooLong));
        let line = [b"data: ".as_slice(), &vec![b'a'; MAX_EVENT / 2], b"\n"].concat();
        assert_eq!(parse(&[&line, &line]), Err(SseError::TooLong));
        let largest = frame(1, &vec![7; protocol::limits::MAX_FRAME + 64]);
        assert_eq!(parse(&[largest.to_text().as_bytes()]).unwrap(), [largest]);
        // Comments without end hold nothing.
        let comments = b": still here\n".repeat(MAX_EVENT / 4);
        assert_eq!(parse(&[&comments]).unwrap(), []);
    }
}
