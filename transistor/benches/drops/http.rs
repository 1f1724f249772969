//! As much of HTTP/1.1 as it takes to load a server without the client being what is measured.

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// Longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// One connection, kept open between requests.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

/// The head of an answer.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: u64,
}

impl Client {
    pub(crate) async fn connect(host: &str) -> Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(256 * 1024, stream), host: host.to_owned() })
    }

    /// Sends the head of a request, with lines that each end in `\r\n`.
    pub(crate) async fn send(&mut self, method: &str, path: &str, lines: &str) -> Result<()> {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n{lines}\r\n", self.host);
        self.stream.get_mut().write_all(head.as_bytes()).await?;
        Ok(())
    }

    /// Sends a piece of the body that was announced.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).await?;
        Ok(())
    }

    /// Reads the head of the answer.
    pub(crate) async fn head(&mut self) -> Result<Head> {
        let mut head = Vec::with_capacity(512);
        while !head.ends_with(b"\r\n\r\n") {
            ensure!(head.len() < MAX_HEAD, "the head of the answer does not end");
            head.push(self.stream.read_u8().await.context("the answer was cut off")?);
        }
        let head = String::from_utf8(head)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status")?.parse()?;
        let mut length = 0;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("the answer comes in chunks");
            }
        }
        Ok(Head { status, length })
    }

    /// Reads and forgets the body; how many bytes it had.
    pub(crate) async fn drain(&mut self, length: u64) -> Result<u64> {
        let mut buffer = vec![0; 256 * 1024];
        let mut left = length;
        while left > 0 {
            let most = usize::try_from(left)?.min(buffer.len());
            let read = self.stream.read(buffer.get_mut(..most).unwrap_or_default()).await?;
            ensure!(read > 0, "the body was cut off");
            left -= u64::try_from(read)?;
        }
        Ok(length)
    }

    /// One request with a body in memory, its answer forgotten; it must have the status.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        lines: &str,
        body: &[u8],
        status: u16,
    ) -> Result<u64> {
        let lines = format!("{lines}content-length: {}\r\n", body.len());
        self.send(method, path, &lines).await?;
        self.write(body).await?;
        let head = self.head().await?;
        let length = if status == 204 { 0 } else { self.drain(head.length).await? };
        ensure!(head.status == status, "{method}: status {} instead of {status}", head.status);
        Ok(length)
    }
}
