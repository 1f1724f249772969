use std::{
    fs,
    sync::{
        atomic::AtomicUsize,
        mpsc::{Receiver, Sender, channel},
    },
};

use curve::Point;
use proofs::{DevelopmentKey, Tier, VerifyingKeys};
use protocol::FrameDigest;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::*;

fn t8() -> &'static DevelopmentKey {
    DevelopmentKey::of(Tier::T8.into()).unwrap()
}

fn job() -> (Statement, TreeSecret) {
    let secret = TreeSecret::generate(&mut UnwrapErr(getrandom::SysRng));
    let sign = secret.dh(&Point::sign_base()).derive().public();
    let statement = Statement::new(FrameDigest::new([7; 32]), vec![secret.public(), sign], vec![]).unwrap();
    (statement, secret)
}

/// Counts how often keys are made.
fn counter() -> (Arc<AtomicUsize>, impl Fn(ProverProgress) + Clone + Send + Sync + 'static) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let progress = move |progress: ProverProgress| {
        assert!((0.0..=1.0).contains(&progress.fraction));
        if progress.stage == Stage::MakingKeys(Tier::T8.into()) && progress.fraction == 0.0 {
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    (made, progress)
}

async fn prove_one(prover: &Prover, progress: impl Fn(ProverProgress) + Send + Sync + 'static) {
    let (statement, secret) = job();
    let proofs = prover.prove(vec![(statement.clone(), secret)], progress).await.unwrap();
    assert_eq!(proofs.len(), 1);
    VerifyingKeys::development().verify(&statement.clone().into(), &proofs[0]).unwrap();
}

/// A cache with the key in it. It is made once for all tests, and there it is seen what making it does.
async fn filled() -> TempDir {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let file = FILE.get_or_init(make_once_from_a_damaged_file).await;
    let cache = tempfile::tempdir().unwrap();
    fs::write(KeyCache::new(cache.path().to_owned()).file(t8()), file).unwrap();
    cache
}

/// Two provers that know nothing of each other find a damaged file at once.
async fn make_once_from_a_damaged_file() -> Vec<u8> {
    let cache = tempfile::tempdir().unwrap();
    let path = KeyCache::new(cache.path().to_owned()).file(t8());
    let len = usize::try_from(t8().proving_key_len).unwrap();
    fs::write(&path, vec![1; len]).unwrap();
    fs::write(path.with_extension("new"), b"left behind by a process that was killed").unwrap();
    let (made, progress) = counter();
    let provers = [(); 2].map(|()| Prover::new(cache.path().to_owned(), 1));
    tokio::join!(prove_one(&provers[0], progress.clone()), prove_one(&provers[1], progress.clone()));
    assert_eq!(made.load(Ordering::Relaxed), 1);
    let mut names: Vec<_> = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert_eq!(names, [path.with_extension("lock"), path.clone()]);
    fs::read(&path).unwrap()
}

#[tokio::test]
async fn a_key_is_made_once_and_then_read() {
    let cache = filled().await;
    let (made, progress) = counter();
    let prover = Prover::new(cache.path().to_owned(), 1);
    prove_one(&prover, progress.clone()).await;
    // From memory now.
    fs::remove_file(KeyCache::new(cache.path().to_owned()).file(t8())).unwrap();
    prove_one(&prover.clone(), progress).await;
    assert_eq!(made.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn only_the_pinned_bytes_are_a_key() {
    let cache = filled().await;
    let keys = KeyCache::new(cache.path().to_owned());
    let path = keys.file(t8());
    assert!(keys.load(t8()).is_some());
    let whole = fs::read(&path).unwrap();
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).unwrap();
        assert!(keys.load(t8()).is_none(), "byte {at}");
    }
    for len in [0, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        assert!(keys.load(t8()).is_none(), "{len} bytes");
    }
    fs::remove_file(&path).unwrap();
    assert!(keys.load(t8()).is_none());
}

#[tokio::test]
async fn a_folder_that_cannot_be_gives_no_turn_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let turn = KeyCache::new(file.join("cache")).wait_for_turn(t8(), &AtomicBool::new(false));
    assert!(matches!(turn, Ok(None)), "{turn:?}");
}

#[test]
fn whoever_gave_up_does_not_wait_for_a_turn() {
    let cache = tempfile::tempdir().unwrap();
    let keys = KeyCache::new(cache.path().to_owned());
    let abandoned = AtomicBool::new(true);
    let held = keys.wait_for_turn(t8(), &abandoned).unwrap();
    assert!(matches!(keys.wait_for_turn(t8(), &abandoned), Err(ProverError::Abandoned)));
    drop(held);
    assert!(keys.wait_for_turn(t8(), &abandoned).unwrap().is_some());
}

#[tokio::test]
async fn proofs_are_in_the_order_of_their_statements() {
    let cache = filled().await;
    let prover = Prover::new(cache.path().to_owned(), 0);
    let (statements, secrets): (Vec<_>, Vec<_>) = [(); 3].map(|()| job()).into_iter().unzip();
    let jobs = statements.iter().cloned().zip(secrets).collect();
    let proofs = prover.prove(jobs, |_| ()).await.unwrap();
    for (statement, proof) in statements.iter().zip(&proofs) {
        VerifyingKeys::development().verify(&statement.clone().into(), proof).unwrap();
    }
    assert!(prover.prove(Vec::<Job>::new(), |_| ()).await.unwrap().is_empty());
}

#[tokio::test]
async fn dropping_the_future_stops_before_the_next_proof() {
    let cache = filled().await;
    let prover = Prover::new(cache.path().to_owned(), 1);
    let (begun, begins) = channel();
    let (go, gone): (Sender<()>, Receiver<()>) = channel();
    let gone = Mutex::new(gone);
    let progress = move |progress: ProverProgress| {
        if progress.stage == Stage::Proving {
            begun.send(progress.fraction).unwrap();
            gone.lock().unwrap().recv().unwrap();
        }
    };
    let proving = tokio::spawn({
        let prover = prover.clone();
        async move { prover.prove([(); 4].map(|()| job()).into(), progress).await }
    });
    let (fraction, begins) = tokio::task::spawn_blocking(move || (begins.recv(), begins)).await.unwrap();
    assert_eq!(fraction, Ok(0.0));
    proving.abort();
    assert!(proving.await.unwrap_err().is_cancelled());
    go.send(()).unwrap();
    // Nothing was begun after the first, and the worker has let go of the channel.
    let next = tokio::task::spawn_blocking(move || begins.recv()).await.unwrap();
    assert!(next.is_err());
    prove_one(&prover, |_| ()).await;
}

#[tokio::test]
async fn a_secret_that_does_not_fit_is_an_error() {
    let cache = filled().await;
    let prover = Prover::new(cache.path().to_owned(), 1);
    let ((statement, _), (_, other)) = (job(), job());
    let refused = prover.prove(vec![(statement, other)], |_| ()).await;
    assert!(matches!(refused, Err(ProverError::Prove(_))), "{refused:?}");
}
