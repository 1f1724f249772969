//! A stream that fails when its peer takes nothing for too long, or does not begin.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// What an HTTP/2 connection begins with, and no other.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Passes everything through; a write or flush that stays pending for longer than the limit is an error, which ends
/// the connection. Any progress starts the time anew.
///
/// Reads are timed until it is decided which version of HTTP is spoken, all of them together: each version has times of
/// its own, but none of them runs before.
#[derive(Debug)]
pub(super) struct Unstalled<S> {
    stream: S,
    opening: Option<Opening>,
    limit: Duration,
    waiting: bool,
    timer: Pin<Box<Sleep>>,
}

/// A connection of which too little was heard.
#[derive(Debug)]
struct Opening {
    /// How much of the preface came.
    heard: usize,
    timer: Pin<Box<Sleep>>,
}

impl Opening {
    /// Whether what comes next decides it.
    fn ends_with(&mut self, said: &[u8]) -> bool {
        let rest = PREFACE.get(self.heard..).unwrap_or_default();
        self.heard = self.heard.saturating_add(said.len());
        // Nothing said is the end, and decides it, too.
        said.is_empty() || said.len() >= rest.len() || !rest.starts_with(said)
    }
}

impl<S> Unstalled<S> {
    /// `opening` is the time from now in which the version has to be decided, `limit` that of each write.
    pub(super) fn new(stream: S, opening: Duration, limit: Duration) -> Self {
        let opening = Opening { heard: 0, timer: Box::pin(sleep(opening)) };
        Self { stream, opening: Some(opening), limit, waiting: false, timer: Box::pin(sleep(limit)) }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waiting = false;
            return outcome;
        }
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.limit);
        }
        match self.timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstalled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let known = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        let Some(opening) = &mut self.opening else { return outcome };
        if outcome.is_pending() {
            return opening.timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        if opening.ends_with(buf.filled().get(known..).unwrap_or_default()) {
            self.opening = None;
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstalled<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const OPENING: Duration = Duration::from_secs(10);

    fn opened() -> (Unstalled<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(64);
        (Unstalled::new(ours, OPENING, Duration::from_secs(30)), theirs)
    }

    /// Reads all there is, until it fails.
    async fn heard(ours: &mut Unstalled<DuplexStream>) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut all = Vec::new();
        let failed = ours.read_to_end(&mut all).await.err().map(|error| error.kind());
        (all, failed)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_begin_is_cut_off() {
        for beginning in [&b""[..], b"P", b"PRI * HTT", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
            let (mut ours, mut theirs) = opened();
            theirs.write_all(beginning).await.unwrap();
            let start = Instant::now();
            assert_eq!(heard(&mut ours).await, (beginning.to_vec(), Some(io::ErrorKind::TimedOut)));
            assert_eq!(start.elapsed().as_secs(), OPENING.as_secs());
        }
        // Byte by byte as well: the time is for all of it.
        let (mut ours, mut theirs) = opened();
        let speaker = tokio::spawn(async move {
            for byte in PREFACE {
                sleep(Duration::from_secs(3)).await;
                if theirs.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        });
        assert_eq!(heard(&mut ours).await, (b"PRI".to_vec(), Some(io::ErrorKind::TimedOut)));
        drop(ours);
        speaker.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_begun_may_take_its_time() {
        let preface: [&[u8]; 3] = [b"PRI * HTT", b"P/2.0\r\n\r\nSM\r\n\r", b"\n"];
        let other: [&[u8]; 2] = [b"PRI * ", b"/index"];
        for pieces in [&preface[..], &other[..], &[b"G"]] {
            let (mut ours, mut theirs) = opened();
            let pieces = pieces.to_vec();
            let all = [pieces.concat(), b"much later".to_vec()].concat();
            let speaker = tokio::spawn(async move {
                for piece in pieces {
                    sleep(Duration::from_secs(3)).await;
                    theirs.write_all(piece).await.unwrap();
                }
                sleep(OPENING * 100).await;
                theirs.write_all(b"much later").await.unwrap();
            });
            assert_eq!(heard(&mut ours).await, (all, None));
            speaker.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_cut_off() {
        let (ours, mut theirs) = duplex(4);
        let mut ours = Unstalled::new(ours, OPENING, Duration::from_secs(30));
        ours.write_all(b"full").await.unwrap();
        let error = ours.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut buffer = [0; 4];
        theirs.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"full");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_is_not() {
        let (ours, mut theirs) = duplex(1);
        let mut ours = Unstalled::new(ours, OPENING, Duration::from_secs(30));
        let reader = tokio::spawn(async move {
            let mut byte = [0];
            for _ in 0..10 {
                sleep(Duration::from_secs(20)).await;
                theirs.read_exact(&mut byte).await.unwrap();
            }
        });
        ours.write_all(&[0; 10]).await.unwrap();
        reader.await.unwrap();
    }
}
