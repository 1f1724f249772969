//! HTTP as plain as it can be, so that what is measured is the node: no retries, no waiting, connections kept.

use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Longest answer that is read, in bytes.
const MOST: usize = 1 << 20;

/// Connections to one node.
#[derive(Debug)]
pub(crate) struct Wire {
    address: SocketAddr,
    idle: Mutex<Vec<TcpStream>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Wire {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) async fn post(&self, path: &str, frame: &[u8]) -> Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/protobuf\r\ncontent-length: {}\r\n\r\n",
            self.address,
            frame.len()
        );
        self.ask([head.as_bytes(), frame].concat()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address).into_bytes()).await
    }

    async fn ask(&self, request: Vec<u8>) -> Result<Answer> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut stream = match idle {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(&request).await?;
        let mut received = Vec::new();
        let (head, begin) = loop {
            ensure!(stream.read_buf(&mut received).await? > 0 && received.len() < MOST, "a broken answer");
            if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(received.get(..at).unwrap_or_default()).into_owned();
                break (head.to_lowercase(), at + 4);
            }
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("an answer of unknown length")?.trim().parse()?;
        ensure!(length < MOST, "too long an answer");
        while received.len() < begin + length {
            ensure!(stream.read_buf(&mut received).await? > 0, "half an answer");
        }
        let body = String::from_utf8_lossy(received.get(begin..).unwrap_or_default()).into_owned();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok(Answer { status, body })
    }
}
