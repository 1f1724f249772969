//! Bytes of a sender, gathered to pieces.

use core::{future::pending, time::Duration};

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use service_kit::shutdown::Shutdown;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use super::{Checksum, Cut, Failure, Incoming, turns::Turn};
use crate::bodies::Buffer;

/// Bytes that have to arrive in the time that a sender may stand still.
const SIGN_OF_LIFE: usize = 1024;

/// What comes from a sender, with its limits.
pub(super) struct Source {
    body: Incoming,
    /// What arrived and did not fit into the piece before.
    rest: Bytes,
    /// Bytes that may still come.
    allowed: u64,
    digest: Digest,
    stall: Duration,
    shutdown: Shutdown,
    turn: Option<Turn>,
}

/// Why a piece is not full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The sender has finished.
    End,
    /// More came than may.
    TooMuch,
    /// The connection broke, stood still, or the service stops. What arrived is good.
    Short(Failure),
    /// A later request of the same upload goes on from before what arrived.
    Superseded,
}

enum Digest {
    None,
    Sha256(Box<Sha256>, [u8; 32]),
    Sha1(Box<Sha1>, [u8; 20]),
}

impl Source {
    pub(super) fn new(
        body: Incoming,
        allowed: u64,
        checksum: Option<Checksum>,
        stall: Duration,
        shutdown: Shutdown,
        turn: Option<Turn>,
    ) -> Self {
        let digest = match checksum {
            None => Digest::None,
            Some(Checksum::Sha256(expected)) => Digest::Sha256(Box::default(), expected),
            Some(Checksum::Sha1(expected)) => Digest::Sha1(Box::default(), expected),
        };
        Self { body, rest: Bytes::new(), allowed, digest, stall, shutdown, turn }
    }

    /// Fills a piece. `Ok` when it is full and there may be more; a piece with which all that may come is there is kept
    /// back until the sender has finished.
    pub(super) async fn fill(&mut self, buffer: &mut Buffer) -> Result<(), Stop> {
        // What was stored in between is not the sender's time.
        let mut deadline = Instant::now() + self.stall;
        let mut arrived = 0;
        loop {
            if !self.rest.is_empty() {
                let taken = buffer.fill(&self.rest);
                let taken = self.rest.split_to(taken);
                self.digest.update(&taken);
            }
            if buffer.is_full() && (self.rest.has_remaining() || self.allowed > 0) {
                return Ok(());
            }
            self.rest = self.next(deadline).await?;
            self.allowed = self.allowed.checked_sub(self.rest.len() as u64).ok_or(Stop::TooMuch)?;
            arrived += self.rest.len();
            if arrived >= SIGN_OF_LIFE {
                (arrived, deadline) = (0, Instant::now() + self.stall);
            }
        }
    }

    async fn next(&mut self, deadline: Instant) -> Result<Bytes, Stop> {
        let superseded = async {
            match &mut self.turn {
                Some(turn) => turn.asked_to_end().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = superseded => Err(Stop::Superseded),
            () = self.shutdown.requested() => Err(Stop::Short(Failure::Stopping)),
            next = tokio::time::timeout_at(deadline, self.body.next()) => match next {
                Ok(Some(Ok(bytes))) => Ok(bytes),
                Ok(Some(Err(cut))) => Err(Stop::Short(cut.into())),
                Ok(None) => Err(Stop::End),
                Err(_) => Err(Stop::Short(Cut::Broken.into())),
            },
        }
    }

    /// Whether what came is what was promised.
    pub(super) fn verified(&mut self) -> Result<(), Failure> {
        self.digest.verified()
    }
}

impl Digest {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Sha256(hash, _) => hash.update(bytes),
            Self::Sha1(hash, _) => hash.update(bytes),
        }
    }

    fn verified(&mut self) -> Result<(), Failure> {
        let same: bool = match self {
            Self::None => true,
            Self::Sha256(hash, expected) => hash.finalize_reset().ct_eq(&expected[..]).into(),
            Self::Sha1(hash, expected) => hash.finalize_reset().ct_eq(&expected[..]).into(),
        };
        if same { Ok(()) } else { Err(Failure::DigestMismatch) }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use service_kit::shutdown;

    use super::*;
    use crate::bodies::{Bodies, BodySettings};

    const STALL: Duration = Duration::from_secs(30);

    /// `chunk` bytes every so often, `times` times, and how that ends.
    async fn arriving(chunk: usize, every: Duration, times: usize) -> (Stop, usize) {
        let folder = tempfile::tempdir().unwrap();
        let bodies =
            Bodies::open(&BodySettings { path: folder.path().to_owned(), ..BodySettings::default() })
                .unwrap();
        let body = stream::unfold(0, move |n| async move {
            tokio::time::sleep(every).await;
            (n < times).then(|| (Ok(Bytes::from(vec![7; chunk])), n + 1))
        });
        let (_trigger, shutdown) = shutdown::channel();
        let mut source = Source::new(body.boxed(), 1 << 20, None, STALL, shutdown, None);
        let mut buffer = bodies.buffer();
        let stop = source.fill(&mut buffer).await.unwrap_err();
        (stop, buffer.len())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_is_good_enough_and_a_drip_is_not() {
        let interrupted = Stop::Short(Failure::Interrupted);
        let almost = STALL - Duration::from_millis(1);
        assert_eq!(arriving(SIGN_OF_LIFE, almost, 100).await, (Stop::End, 100 * SIGN_OF_LIFE));
        assert_eq!(arriving(SIGN_OF_LIFE, STALL * 2, 100).await, (interrupted, 0));
        // A byte every second: what came until then is kept.
        assert_eq!(arriving(1, Duration::from_millis(1001), 1000).await, (interrupted, 29));
        // The end of a short body need not hurry.
        assert_eq!(arriving(1, Duration::from_secs(1), 10).await, (Stop::End, 10));
    }

    #[tokio::test]
    async fn digests_are_of_everything() {
        let folder = tempfile::tempdir().unwrap();
        let bodies =
            Bodies::open(&BodySettings { path: folder.path().to_owned(), ..BodySettings::default() })
                .unwrap();
        let content: Vec<u8> = (0..=255).collect();
        for (checksum, good) in [
            (Checksum::Sha256(Sha256::digest(&content).into()), true),
            (Checksum::Sha256(Sha256::digest(&content[1..]).into()), false),
            (Checksum::Sha1(Sha1::digest(&content).into()), true),
            (Checksum::Sha1([0; 20]), false),
        ] {
            let chunks: Vec<_> = content.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
            let (_trigger, shutdown) = shutdown::channel();
            let mut source =
                Source::new(stream::iter(chunks).boxed(), 256, Some(checksum), STALL, shutdown, None);
            assert_eq!(source.fill(&mut bodies.buffer()).await, Err(Stop::End));
            assert_eq!(source.verified().is_ok(), good, "{checksum:?}");
        }
    }
}
