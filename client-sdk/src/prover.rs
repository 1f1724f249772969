//! Making proofs: proving keys on disk and in memory, and the threads that work with them.
//!
//! The keys of this version are for development: made on first use from a public seed, checked against pinned hashes
//! on every load, and announced as such.

use core::fmt;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use curve::TreeSecret;
use proofs::{
    DEVELOPMENT_KEYS, DevelopmentKey, Proof, ProvingKey, ProvingKeyHash, SetupStage, Statement, Tier, prove,
    setup_development,
};
use rand_core::UnwrapErr;
use thiserror::Error;

/// What the prover is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Making the proving key of a circuit, once per machine.
    MakingKeys(Tier),
    /// Reading a proving key.
    LoadingKeys(Tier),
    /// Proving.
    Proving,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakingKeys(tier) => write!(f, "making development proving keys ({tier})"),
            Self::LoadingKeys(tier) => write!(f, "reading proving keys ({tier})"),
            Self::Proving => f.write_str("proving"),
        }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProverProgress {
    /// What it does.
    pub stage: Stage,
    /// From 0 to 1; a stage ends with 1.
    pub fraction: f64,
}

/// Why there is no proof.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProverError {
    /// Keys could not be made: a defect of this program.
    #[error("the proving keys could not be made")]
    Setup(#[from] proofs::SetupError),
    /// A key's pinned hash and what the seed gives differ: a defect of this program or of the machine.
    #[error("the proving keys made here are not the pinned ones")]
    NotPinned,
    /// The statement cannot be proved.
    #[error("the statement cannot be proved")]
    Prove(#[from] proofs::ProveError),
    /// The threads for proving could not be started, or died.
    #[error("the threads for proving failed")]
    Threads,
}

/// Makes proofs. Clones share keys and threads.
#[derive(Clone)]
pub(crate) struct Prover(Arc<Shared>);

struct Shared {
    cache: PathBuf,
    pool: OnceLock<Option<rayon::ThreadPool>>,
    threads: usize,
    keys: Mutex<Vec<Arc<ProvingKey>>>,
}

/// Tells the worker to stop once nobody waits any more.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Prover {
    /// A prover with its keys in `cache`, working on `threads` threads (0: one for each processor).
    #[must_use]
    pub(crate) fn new(cache: PathBuf, threads: usize) -> Self {
        Self(Arc::new(Shared { cache, pool: OnceLock::new(), threads, keys: Mutex::default() }))
    }

    /// Proves statements in order.
    ///
    /// Some hundred milliseconds each; the first one on a machine also makes the keys, which takes seconds and some
    /// megabytes in the cache folder. A cache that cannot be written costs time, not the proof.
    ///
    /// # Errors
    /// [`ProverError`].
    ///
    /// # Cancel safety
    /// Dropping the future stops the work before the next proof; nothing is lost but the work.
    pub(crate) async fn prove(
        &self,
        jobs: Vec<(Statement, TreeSecret)>,
        progress: impl Fn(ProverProgress) + Send + Sync + 'static,
    ) -> Result<Vec<Proof>, ProverError> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let guard = Abandon(Arc::clone(&abandoned));
        let shared = Arc::clone(&self.0);
        let work = move || shared.prove_all(&jobs, &progress, &abandoned);
        let done = tokio::task::spawn_blocking(work).await.map_err(|_| ProverError::Threads);
        drop(guard);
        done?
    }
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").field("threads", &self.0.threads).finish_non_exhaustive()
    }
}

impl Shared {
    fn prove_all(
        &self,
        jobs: &[(Statement, TreeSecret)],
        progress: &(dyn Fn(ProverProgress) + Send + Sync),
        abandoned: &AtomicBool,
    ) -> Result<Vec<Proof>, ProverError> {
        let pool = self.pool.get_or_init(|| {
            let name = |n| format!("kith-prove-{n}");
            rayon::ThreadPoolBuilder::new().num_threads(self.threads).thread_name(name).build().ok()
        });
        let pool = pool.as_ref().ok_or(ProverError::Threads)?;
        let mut proofs = Vec::with_capacity(jobs.len());
        for (done, (statement, secret)) in (0_u32..).zip(jobs) {
            if abandoned.load(Ordering::Relaxed) {
                return Err(ProverError::Threads);
            }
            let key = self.key(statement.tier(), pool, progress)?;
            // There are at most 64 jobs, so this is exact.
            let of = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
            progress(ProverProgress { stage: Stage::Proving, fraction: f64::from(done) / f64::from(of) });
            let proof = pool.install(|| prove(&key, statement, secret, &mut UnwrapErr(getrandom::SysRng)))?;
            proofs.push(proof);
        }
        progress(ProverProgress { stage: Stage::Proving, fraction: 1.0 });
        Ok(proofs)
    }

    /// The proving key of a tier: from memory, from the cache, or made now.
    fn key(
        &self,
        tier: Tier,
        pool: &rayon::ThreadPool,
        progress: &(dyn Fn(ProverProgress) + Send + Sync),
    ) -> Result<Arc<ProvingKey>, ProverError> {
        // Held while a key is made, so that it is made once.
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.iter().find(|k| k.tier() == tier) {
            return Ok(Arc::clone(key));
        }
        let pinned = DEVELOPMENT_KEYS.iter().find(|p| p.tier == tier).ok_or(ProverError::NotPinned)?;
        let path = self.cache.join(file_name(pinned));
        progress(ProverProgress { stage: Stage::LoadingKeys(tier), fraction: 0.0 });
        let key = match load(&path, pinned) {
            Some(key) => key,
            None => {
                // Another process may be making the same key; whoever comes second finds it done.
                let _making = lock(&self.cache, pinned);
                match load(&path, pinned) {
                    Some(key) => key,
                    None => pool.install(|| make(&path, pinned, progress))?,
                }
            }
        };
        progress(ProverProgress { stage: Stage::LoadingKeys(tier), fraction: 1.0 });
        let key = Arc::new(key);
        keys.push(Arc::clone(&key));
        Ok(key)
    }
}

/// Named after the pinned hash, so that keys of different versions never meet.
fn file_name(pinned: &DevelopmentKey) -> String {
    let short: String = pinned.proving_key_hash.to_string().chars().take(32).collect();
    format!("development-{}-{short}.pk", pinned.tier)
}

/// Reads a key if the file is there and is the pinned one, byte by byte.
fn load(path: &Path, pinned: &DevelopmentKey) -> Option<ProvingKey> {
    let len = fs::metadata(path).ok()?.len();
    if len != pinned.proving_key_len {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    if ProvingKeyHash::of(&bytes) != pinned.proving_key_hash {
        tracing::warn!("a cached proving key is damaged; it is made again");
        return None;
    }
    ProvingKey::from_bytes_trusted(&bytes).ok()
}

fn make(
    path: &Path,
    pinned: &DevelopmentKey,
    progress: &(dyn Fn(ProverProgress) + Send + Sync),
) -> Result<ProvingKey, ProverError> {
    tracing::warn!(
        "making DEVELOPMENT proving keys from a public seed: anybody can forge proofs under them; \
         this endangers the availability of groups, not their secrecy"
    );
    let stage = Stage::MakingKeys(pinned.tier);
    let key = setup_development(pinned.tier, |step| {
        let fraction = match step {
            SetupStage::Circuit => 0.0,
            SetupStage::Polynomials => 0.05,
            SetupStage::FirstGroup => 0.1,
            SetupStage::SecondGroup => 0.7,
            SetupStage::Finished | _ => 1.0,
        };
        progress(ProverProgress { stage, fraction });
    })?;
    let bytes = key.to_bytes();
    if ProvingKeyHash::of(&bytes) != pinned.proving_key_hash {
        return Err(ProverError::NotPinned);
    }
    if let Err(error) = write_atomically(path, &bytes) {
        tracing::warn!(kind = ?error.kind(), "the proving keys could not be cached");
    }
    Ok(key)
}

/// A file under its final name is whole: written aside, flushed, then renamed.
fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let written = fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

/// A lock between processes, held while it lives; `None` where the folder cannot hold one.
fn lock(folder: &Path, pinned: &DevelopmentKey) -> Option<fs::File> {
    fs::create_dir_all(folder).ok()?;
    let path = folder.join(format!("{}.lock", file_name(pinned)));
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(path).ok()?;
    file.lock().ok()?;
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve::Point;
    use protocol::FrameDigest;
    use std::sync::atomic::AtomicU32;

    fn job() -> (Statement, TreeSecret) {
        let secret = TreeSecret::generate(&mut UnwrapErr(getrandom::SysRng));
        let sign = secret.dh(&Point::sign_base()).derive().public();
        let statement =
            Statement::new(FrameDigest::new([7; 32]), vec![secret.public(), sign], vec![]).unwrap();
        (statement, secret)
    }

    #[tokio::test]
    async fn makes_keys_once_and_repairs_damaged_ones() {
        let cache = tempfile::tempdir().unwrap();
        let made = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&made);
        let progress = move |p: ProverProgress| {
            if p.fraction == 0.0 && matches!(p.stage, Stage::MakingKeys(_)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        let keys = proofs::VerifyingKeys::development();
        let path = cache.path().join(file_name(&DEVELOPMENT_KEYS[0]));
        for (round, expected) in [1, 1, 2].into_iter().enumerate() {
            if round == 2 {
                let mut bytes = fs::read(&path).unwrap();
                bytes[100_000] ^= 1;
                fs::write(&path, bytes).unwrap();
            }
            let (statement, secret) = job();
            let prover = Prover::new(cache.path().to_owned(), 1);
            let proofs = prover.prove(vec![(statement.clone(), secret)], progress.clone()).await.unwrap();
            keys.verify(&statement, &proofs[0]).unwrap();
            assert_eq!(made.load(Ordering::Relaxed), expected);
        }
    }

    #[tokio::test]
    async fn a_secret_that_does_not_fit_is_an_error() {
        let cache = tempfile::tempdir().unwrap();
        let prover = Prover::new(cache.path().to_owned(), 1);
        let ((statement, _), (_, other)) = (job(), job());
        let refused = prover.prove(vec![(statement, other)], |_| ()).await;
        assert!(matches!(refused, Err(ProverError::Prove(_))), "{refused:?}");
    }
}
