//! Requests as bytes on a connection, so that a test sees exactly what arrived before a connection broke.

use std::io;

use servers::PATIENCE;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Where drops are.
pub(crate) const PUBLIC: &str = "/transistor/v1/public";

/// A request; the rest of its head is made from this.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    heads: String,
    body: Vec<u8>,
}

impl Request {
    /// `path` is behind [`PUBLIC`].
    pub(crate) fn new(method: &'static str, path: impl AsRef<str>) -> Self {
        let path = format!("{PUBLIC}{}", path.as_ref());
        Self { method, path, heads: String::new(), body: Vec::new() }
    }

    pub(crate) fn head(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.heads += &format!("{name}: {}\r\n", value.as_ref());
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let Self { method, path, heads, body } = self;
        let length =
            if *method == "GET" { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{length}{heads}\r\n"
        );
        [head.as_bytes(), body].concat()
    }

    /// Sends it on a connection of its own and reads the answer.
    pub(crate) async fn send(&self, port: u16) -> io::Result<Answer> {
        self.send_on(TcpStream::connect(("127.0.0.1", port)).await?).await
    }

    /// Sends it on a connection there is.
    pub(crate) async fn send_on(&self, mut stream: TcpStream) -> io::Result<Answer> {
        // A server may answer, and end, before it has taken everything.
        let sent = stream.write_all(&self.bytes()).await;
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        match Answer::parse(&answer) {
            Some(answer) => Ok(answer),
            None => {
                sent?;
                read.map_err(|_| io::ErrorKind::TimedOut)??;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    /// Sends the first bytes of it and leaves the connection open.
    pub(crate) async fn begin(&self, port: u16, bytes: usize) -> io::Result<TcpStream> {
        let whole = self.bytes();
        let head = whole.len() - self.body.len();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(&whole[..head + bytes]).await?;
        Ok(stream)
    }
}

/// What arrived of an answer: the whole head, and of the body what came.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Self { status, head, body: bytes[end + 4..].to_vec() };
        if answer.head_of("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
            answer.body = unchunked(&answer.body);
        }
        Some(answer)
    }

    pub(crate) fn head_of(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The stable code of a failure, which has to be a problem document.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.head_of("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether there is something for who asked; anything but success and the one answer that means that there is nothing
    /// is not expected.
    pub(crate) fn is_there(&self) -> bool {
        assert!(self.is_success() || (self.status == 404 && self.code() == "drop_gone"), "{self:?}");
        self.is_success()
    }
}

/// What arrived of a body in chunks.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let Ok(length) = usize::from_str_radix(&String::from_utf8_lossy(&rest[..line]), 16) else { break };
        rest = &rest[line + 2..];
        let here = length.min(rest.len());
        body.extend_from_slice(&rest[..here]);
        if length == 0 || here < length {
            break;
        }
        rest = rest.get(length + 2..).unwrap_or_default();
    }
    body
}
