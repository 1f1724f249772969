//! A reader that hashes what is read through it.

use core::{
    pin::Pin,
    task::{Context, Poll},
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use e2ee::attachment::FileDigest;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The hash of what has gone through so far.
#[derive(Clone, Default)]
pub(crate) struct Digesting(Arc<Mutex<Sha256>>);

impl Digesting {
    pub(crate) fn update(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
    }

    pub(crate) fn digest(&self) -> FileDigest {
        let hash = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        FileDigest::new(hash.finalize().into())
    }
}

/// A reader or writer with an ear: so that what is hashed is what went through, whatever a file becomes meanwhile.
pub(crate) struct Hashed<T> {
    inner: T,
    digest: Digesting,
}

impl<T> Hashed<T> {
    pub(crate) fn new(inner: T) -> (Self, Digesting) {
        let digest = Digesting::default();
        (Self { inner, digest: digest.clone() }, digest)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Hashed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.digest.update(buf.filled().get(before..).unwrap_or_default());
        done
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Hashed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = &done {
            self.digest.update(buf.get(..*written).unwrap_or_default());
        }
        done
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_goes_through_is_hashed() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let expected: [u8; 32] = Sha256::digest(&bytes).into();
        let (mut reader, read) = Hashed::new(io::Cursor::new(bytes.clone()));
        let mut out = Vec::new();
        reader.read_to_end(&mut out).await.unwrap();
        let (mut writer, written) = Hashed::new(Vec::new());
        writer.write_all(&out).await.unwrap();
        assert_eq!((read.digest(), written.digest()), (FileDigest::new(expected), FileDigest::new(expected)));
    }
}
