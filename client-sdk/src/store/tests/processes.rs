//! Several processes, and processes that die. Children are this test binary again, told by the environment what to be.

use core::time::Duration;
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use futures_util::FutureExt;

use super::*;

const ROLE: &str = "KITH_STORE_TEST_ROLE";
const HOME: &str = "KITH_STORE_TEST_HOME";

/// A child process, killed when dropped.
struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Process {
    fn start(home: &Home, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::processes::child", "--ignored", "--nocapture", "--quiet"])
            .env(ROLE, role)
            .env(HOME, &home.path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Next number the child told; what the test harness prints is passed over.
    fn told(&mut self) -> Option<u64> {
        self.lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix("told ")?.parse().ok())
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn finish(mut self) {
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Standard output past the harness's capture.
fn tell(n: u64) {
    use std::io::Write;

    let mut out = std::io::stdout().lock();
    writeln!(out, "told {n}").unwrap();
    out.flush().unwrap();
}

#[tokio::test]
#[ignore = "a part of the tests below, not a test"]
async fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let path = std::env::var_os(HOME).unwrap();
    let store = Store::open(path, Home::key()).unwrap();
    match role.as_str() {
        "write" => {
            let mut n = number(&store);
            loop {
                n += 1;
                store.write(|tx| write_number(tx, n)).unwrap();
                tell(n);
            }
        }
        "count" => (0..COUNTS).for_each(|_| count(&store)),
        "lock" => {
            let _lock = store.lock_group(&A).await.unwrap();
            tell(1);
            std::future::pending::<()>().await;
        }
        _ => panic!("no role"),
    }
}

fn number(store: &Store) -> u64 {
    get(store, Scope::Home, "n").map_or(0, |n| u64::from_be_bytes(n.try_into().unwrap()))
}

/// One transaction over every table; large enough that it spans several pages.
fn write_number(tx: &WriteTx<'_>, n: u64) -> Result<(), StoreError> {
    tx.put(Scope::Home, "n", &n.to_be_bytes())?;
    tx.put(Scope::Group(A), "n", &n.to_be_bytes().repeat(3000))?;
    tx.put_entry(&A, n, &n.to_be_bytes().repeat(100))?;
    tx.put_log_hash(&A, Seq::new(n), LogHash::new([u8::try_from(n % 256).unwrap(); 32]))
}

#[test]
fn a_killed_writer_leaves_its_last_commit() {
    let home = Home::new();
    drop(home.open());
    let mut last_seen = 0;
    for round in 0..6 {
        let mut child = Process::start(&home, "write");
        for _ in 0..=(round * 7) {
            last_seen = child.told().unwrap();
        }
        child.kill();
        let store = home.open();
        let n = number(&store);
        assert!(n >= last_seen, "commit {last_seen} was told of, {n} is there");
        store
            .read::<_, StoreError>(|tx| {
                assert_eq!(tx.get(Scope::Group(A), "n")?.unwrap().as_slice(), n.to_be_bytes().repeat(3000));
                assert_eq!(tx.last_entry(&A)?.unwrap(), (n, n.to_be_bytes().repeat(100)));
                let hash = LogHash::new([u8::try_from(n % 256).unwrap(); 32]);
                assert_eq!(tx.log_hash(&A, Seq::new(n))?, Some(hash));
                assert_eq!((tx.changes()?, tx.version(&A)?), (n, n));
                let positions: Vec<_> =
                    tx.entries(&A, 1, usize::MAX)?.into_iter().map(|entry| entry.0).collect();
                assert_eq!(positions, (1..=n).collect::<Vec<_>>());
                Ok(())
            })
            .unwrap();
    }
}

const COUNTS: u64 = 50;

fn count(store: &Store) {
    store
        .write::<_, StoreError>(|tx| {
            let n = tx
                .get(Scope::Group(A), "n")?
                .map_or(0, |n| u64::from_be_bytes(n.as_slice().try_into().unwrap()));
            tx.put(Scope::Group(A), "n", &(n + 1).to_be_bytes())
        })
        .unwrap();
}

#[test]
fn two_processes_count_together() {
    let home = Home::new();
    // The store does not exist yet: both make it, one wins.
    let child = Process::start(&home, "count");
    let store = home.open();
    let mut version = 0;
    for _ in 0..COUNTS {
        count(&store);
        let now = store.read(|tx| tx.version(&A)).unwrap();
        assert!(now > version);
        version = now;
    }
    child.finish();
    let n = get(&store, Scope::Group(A), "n").unwrap();
    assert_eq!(n, (2 * COUNTS).to_be_bytes());
    assert_eq!(store.read(|tx| tx.version(&A)).unwrap(), 2 * COUNTS);
}

#[tokio::test]
async fn a_group_is_locked_between_processes_and_freed_by_death() {
    let home = Home::new();
    let store = home.open();
    let mut child = Process::start(&home, "lock");
    assert_eq!(child.told(), Some(1));
    let _other = store.lock_group(&B).await.unwrap();
    let file = hex::encode(store.0.keys.lock_tag(&A));
    let held = store.0.files.lock_file(&file).unwrap();
    assert!(matches!(held.try_lock(), Err(fs::TryLockError::WouldBlock)));
    let mut waiting = Box::pin(store.lock_group(&A));
    assert!(waiting.as_mut().now_or_never().is_none());
    child.kill();
    let _lock = tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_group_is_locked_between_tasks() {
    let home = Home::new();
    let store = home.open();
    let lock = store.lock_group(&A).await.unwrap();
    let mut second = Box::pin(store.lock_group(&A));
    assert!(second.as_mut().now_or_never().is_none());
    // Another handle to the same file knows nothing of the first one's turns.
    let elsewhere = home.open();
    let mut third = Box::pin(elsewhere.lock_group(&A));
    assert!(third.as_mut().now_or_never().is_none());
    drop(third);
    // Giving up the wait leaves the queue in order.
    drop(second);
    let mut fourth = Box::pin(store.lock_group(&A));
    assert!(fourth.as_mut().now_or_never().is_none());
    drop(lock);
    let lock = fourth.await.unwrap();
    drop(lock);
    let _lock = elsewhere.lock_group(&A).await.unwrap();
}
