//! Server-sent events, as far as a node sends them (HTML Living Standard, section 9.2.6).

use api::events::{Event, EventError};

/// Longest event, in bytes: the largest frame in base64 with room for its fields.
const MAX_EVENT: usize = 512 * 1024;

/// Bytes in, events out. Holds at most one event.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    name: String,
    id: String,
    data: String,
    size: usize,
}

/// What a stream holds that is not an event of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SseError {
    /// An event longer than any a node sends.
    #[error("an event is too long")]
    TooLong,
    /// Not the form of an event.
    #[error("an event is malformed")]
    Malformed,
}

impl Parser {
    /// Takes bytes as they come and hands out the events they complete.
    pub(crate) fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
        for &byte in bytes {
            self.size += 1;
            if self.size > MAX_EVENT {
                return Err(SseError::TooLong);
            }
            match byte {
                b'\n' => {
                    let line = core::mem::take(&mut self.line);
                    self.take_line(&line, events)?;
                }
                b'\r' => {}
                byte => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], events: &mut Vec<Event>) -> Result<(), SseError> {
        if line.is_empty() {
            return self.dispatch(events);
        }
        let line = core::str::from_utf8(line).map_err(|_| SseError::Malformed)?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" => value.clone_into(&mut self.id),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments are heartbeats; how long to wait before connecting again is our own decision.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, events: &mut Vec<Event>) -> Result<(), SseError> {
        self.size = 0;
        let name = core::mem::take(&mut self.name);
        let data = core::mem::take(&mut self.data);
        let id = core::mem::take(&mut self.id);
        if data.is_empty() {
            return Ok(());
        }
        match Event::parse(&name, &id, &data) {
            Ok(event) => events.push(event),
            // A newer node may say more than we know.
            Err(EventError::UnknownName) => {}
            Err(_) => return Err(SseError::Malformed),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{ErrorCode, Problem};

    fn problem() -> Event {
        Event::Problem(Problem::new(ErrorCode::Busy))
    }

    #[test]
    fn events_come_out_whole_however_the_bytes_are_cut() {
        let text = format!("{}{}{}", api::events::HEARTBEAT, problem().to_text(), problem().to_text());
        for cut in 1..text.len() {
            let (mut parser, mut events) = (Parser::default(), Vec::new());
            for part in text.as_bytes().chunks(cut) {
                parser.push(part, &mut events).unwrap();
            }
            assert_eq!(events, [problem(), problem()]);
        }
    }

    #[test]
    fn unknown_events_are_skipped_and_broken_ones_refused() {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        parser.push(b"event: later\ndata: x\n\n", &mut events).unwrap();
        assert!(events.is_empty());
        assert_eq!(parser.push(b"event: frame\ndata: !\n\n", &mut events), Err(SseError::Malformed));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        let endless = vec![b'a'; MAX_EVENT + 1];
        assert_eq!(parser.push(&endless, &mut events), Err(SseError::TooLong));
    }
}
