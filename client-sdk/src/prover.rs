//! Making proofs: proving keys on disk and in memory, and the threads that work with them.
//!
//! Keys of a ceremony come from a folder that pins them. Without one they are those for development: made on first use
//! from a public seed, checked against pinned hashes on every load, and announced as such.

mod cache;
mod pinned;
#[cfg(test)]
mod tests;

use core::fmt;
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use curve::TreeSecret;
use pinned_keys::{KeysError, PinnedKeys};
use proofs::{
    AdminPath, AdminSecret, AdminStatement, Circuit, Control, DevelopmentKey, Proof, ProveError, ProveStage,
    ProvingKey, ProvingKeyHash, SetupStage, Statement, prove, prove_admin, setup_development,
};
use rand_core::UnwrapErr;
use thiserror::Error;

use cache::KeyCache;

/// What the prover is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Making the proving key of a circuit, once per machine.
    MakingKeys(Circuit),
    /// Reading a proving key.
    LoadingKeys(Circuit),
    /// Proving.
    Proving,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakingKeys(circuit) => write!(f, "making development proving keys ({circuit})"),
            Self::LoadingKeys(circuit) => write!(f, "reading proving keys ({circuit})"),
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
    #[error("the proving keys are not the pinned ones")]
    NotPinned,
    /// The folder of keys has no usable one.
    #[error("the folder of keys has no usable proving key")]
    Keys(#[from] KeysError),
    /// The statement cannot be proved.
    #[error("the statement cannot be proved")]
    Prove(#[from] ProveError),
    /// Nobody waited for the proofs any more.
    #[error("proving was given up")]
    Abandoned,
    /// The threads for proving could not be started, or died.
    #[error("the threads for proving failed")]
    Threads,
}

/// Makes proofs. Clones share keys and threads.
#[derive(Clone)]
pub(crate) struct Prover(Arc<Shared>);

struct Shared {
    cache: KeyCache,
    pinned: Option<PinnedKeys>,
    pool: OnceLock<Option<rayon::ThreadPool>>,
    threads: usize,
    keys: Mutex<Vec<Arc<ProvingKey>>>,
}

/// A statement, and what it takes to prove it.
pub(crate) enum Job {
    /// The change of a branch, from the leaf's secret.
    Branch(Statement, TreeSecret),
    /// Being an admin.
    Admin(AdminStatement, AdminSecret, Box<AdminPath>),
}

impl From<(Statement, TreeSecret)> for Job {
    fn from((statement, secret): (Statement, TreeSecret)) -> Self {
        Self::Branch(statement, secret)
    }
}

impl Job {
    fn circuit(&self) -> Circuit {
        match self {
            Self::Branch(statement, _) => statement.tier().into(),
            Self::Admin(..) => Circuit::Admin,
        }
    }

    fn prove(&self, key: &ProvingKey, control: &Control<'_>) -> Result<Proof, ProveError> {
        let mut rng = UnwrapErr(getrandom::SysRng);
        match self {
            Self::Branch(statement, secret) => prove(key, statement, secret, control, &mut rng),
            Self::Admin(statement, secret, path) => {
                prove_admin(key, statement, secret, path, control, &mut rng)
            }
        }
    }
}

/// Tells the worker to stop once nobody waits any more.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Prover {
    /// A prover with the development keys, kept in `cache`, working on `threads` threads (0: one for each processor).
    #[cfg(test)]
    #[must_use]
    pub(crate) fn new(cache: PathBuf, threads: usize) -> Self {
        Self::with_keys(cache, threads, None)
    }

    /// The same with pinned keys, if there are any.
    #[must_use]
    pub(crate) fn with_keys(cache: PathBuf, threads: usize, pinned: Option<PinnedKeys>) -> Self {
        Self(Arc::new(Shared {
            cache: KeyCache::new(cache),
            pinned,
            pool: OnceLock::new(),
            threads,
            keys: Mutex::default(),
        }))
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
    /// Dropping the future stops the work at the next stage of the proof under way, within a quarter of its time;
    /// nothing is lost but the work.
    pub(crate) async fn prove(
        &self,
        jobs: Vec<impl Into<Job>>,
        progress: impl Fn(ProverProgress) + Send + Sync + 'static,
    ) -> Result<Vec<Proof>, ProverError> {
        let abandoned = Arc::new(AtomicBool::new(false));
        let guard = Abandon(Arc::clone(&abandoned));
        let shared = Arc::clone(&self.0);
        let jobs: Vec<Job> = jobs.into_iter().map(Into::into).collect();
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
        jobs: &[Job],
        progress: &(dyn Fn(ProverProgress) + Send + Sync),
        abandoned: &AtomicBool,
    ) -> Result<Vec<Proof>, ProverError> {
        let pool = self.pool.get_or_init(|| {
            let name = |n| format!("kith-prove-{n}");
            rayon::ThreadPoolBuilder::new().num_threads(self.threads).thread_name(name).build().ok()
        });
        let pool = pool.as_ref().ok_or(ProverError::Threads)?;
        let mut proofs = Vec::with_capacity(jobs.len());
        for (done, job) in (0_u32..).zip(jobs) {
            if abandoned.load(Ordering::Relaxed) {
                return Err(ProverError::Abandoned);
            }
            let key = self.key(job.circuit(), pool, progress, abandoned)?;
            // There are at most 65 jobs, so this is exact.
            let of = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
            let report = |stage: ProveStage| {
                let fraction = (f64::from(done) + f64::from(stage.fraction())) / f64::from(of);
                progress(ProverProgress { stage: Stage::Proving, fraction });
            };
            let given_up = || abandoned.load(Ordering::Relaxed);
            let control = Control::new(&report, &given_up);
            let proof = pool.install(|| job.prove(&key, &control));
            let given_up = matches!(proof, Err(ProveError::GivenUp));
            proofs.push(if given_up { return Err(ProverError::Abandoned) } else { proof? });
        }
        Ok(proofs)
    }

    /// The proving key of a circuit: from memory, from the cache, or made now.
    fn key(
        &self,
        circuit: Circuit,
        pool: &rayon::ThreadPool,
        progress: &(dyn Fn(ProverProgress) + Send + Sync),
        abandoned: &AtomicBool,
    ) -> Result<Arc<ProvingKey>, ProverError> {
        // Held while a key is made, so that it is made once.
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.iter().find(|k| k.circuit() == circuit) {
            return Ok(Arc::clone(key));
        }
        progress(ProverProgress { stage: Stage::LoadingKeys(circuit), fraction: 0.0 });
        let key = match &self.pinned {
            Some(keys) => pinned::load(keys, circuit)?,
            None => self.development_key(circuit, pool, progress, abandoned)?,
        };
        progress(ProverProgress { stage: Stage::LoadingKeys(circuit), fraction: 1.0 });
        let key = Arc::new(key);
        keys.push(Arc::clone(&key));
        Ok(key)
    }

    /// The development key of a circuit: from the cache, or made now.
    fn development_key(
        &self,
        circuit: Circuit,
        pool: &rayon::ThreadPool,
        progress: &(dyn Fn(ProverProgress) + Send + Sync),
        abandoned: &AtomicBool,
    ) -> Result<ProvingKey, ProverError> {
        let pinned = DevelopmentKey::of(circuit).ok_or(ProverError::NotPinned)?;
        if let Some(key) = self.cache.load(pinned) {
            return Ok(key);
        }
        // Another process may be making the same key; whoever comes second finds it done.
        let turn = self.cache.wait_for_turn(pinned, abandoned)?;
        if let Some(key) = self.cache.load(pinned) {
            return Ok(key);
        }
        let (key, file) = pool.install(|| make(pinned, progress))?;
        if let Some(turn) = turn {
            turn.keep(&file);
        }
        Ok(key)
    }
}

/// Makes a key from the public seed; together with its file, which was compared with the pinned hash.
fn make(
    pinned: &DevelopmentKey,
    progress: &(dyn Fn(ProverProgress) + Send + Sync),
) -> Result<(ProvingKey, Vec<u8>), ProverError> {
    tracing::warn!(
        "making DEVELOPMENT proving keys from a public seed: anybody can forge proofs under them; \
         this endangers the availability of groups, not their secrecy"
    );
    let stage = Stage::MakingKeys(pinned.circuit);
    let key = setup_development(pinned.circuit, |step| {
        let fraction = match step {
            SetupStage::Circuit => 0.0,
            SetupStage::Polynomials => 0.05,
            SetupStage::FirstGroup => 0.1,
            SetupStage::SecondGroup => 0.7,
            SetupStage::Finished => 1.0,
            // A step of a later version, which is between these.
            _ => return,
        };
        progress(ProverProgress { stage, fraction });
    })?;
    let file = key.to_bytes();
    if ProvingKeyHash::of(&file) != pinned.proving_key_hash {
        return Err(ProverError::NotPinned);
    }
    Ok((key, file))
}
