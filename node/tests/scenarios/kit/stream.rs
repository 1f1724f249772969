//! The reading end of an event stream.

use api::events::Event;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};

/// Parses a body of server-sent events as it arrives.
pub struct Stream {
    body: BoxStream<'static, Bytes>,
    buffer: Vec<u8>,
    /// Comments seen.
    pub comments: usize,
    /// Whether the stream told how long to wait before connecting again.
    pub retry: Option<u64>,
}

impl Stream {
    pub fn new(body: impl futures_util::Stream<Item = Bytes> + Send + 'static) -> Self {
        Self { body: body.boxed(), buffer: Vec::new(), comments: 0, retry: None }
    }

    /// The next event; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = self.parse(std::str::from_utf8(&block).unwrap()) {
                    return Some(event);
                }
                continue;
            }
            self.buffer.extend_from_slice(&self.body.next().await?);
        }
    }

    fn parse(&mut self, block: &str) -> Option<Event> {
        let (mut name, mut id, mut data) = ("message", "", String::new());
        let mut empty = true;
        for line in block.lines().filter(|line| !line.is_empty()) {
            match line.split_once(':').map(|(field, value)| (field, value.strip_prefix(' ').unwrap_or(value)))
            {
                Some(("", _)) => self.comments += 1,
                Some(("event", value)) => name = value,
                Some(("id", value)) => id = value,
                Some(("retry", value)) => self.retry = value.parse().ok(),
                Some(("data", value)) => {
                    empty = false;
                    data.push_str(value);
                }
                other => panic!("{other:?}"),
            }
        }
        (!empty).then(|| Event::parse(name, id, &data).unwrap())
    }

    /// The next event, which has to be a frame.
    pub async fn frame(&mut self) -> protocol::ServedFrame {
        match self.next().await {
            Some(Event::Frame { id, frame }) => {
                let served = frame.decode().unwrap();
                assert_eq!(served.seq, id.seq);
                served
            }
            other => panic!("no frame but {other:?}"),
        }
    }
}
