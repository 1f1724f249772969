use std::{fs, path::PathBuf};

use protocol::{GroupId, LogHash, Seq};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;

mod damage;
mod processes;

const A: GroupId = GroupId::new([0xa1; 32]);
const B: GroupId = GroupId::new([0xb2; 32]);

struct Home {
    // Removed when dropped.
    _dir: TempDir,
    path: PathBuf,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home/store.db");
        Self { _dir: dir, path }
    }

    fn key() -> StoreKey {
        StoreKey::from_bytes(&[7; 32])
    }

    fn open(&self) -> Store {
        Store::open(&self.path, Self::key()).unwrap()
    }

    /// The file as an attacker with write access sees it.
    fn raw(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

fn put(store: &Store, scope: Scope, name: &'static str, value: &[u8]) {
    store.write(|tx| tx.put(scope, name, value)).unwrap();
}

fn get(store: &Store, scope: Scope, name: &'static str) -> Option<Vec<u8>> {
    store.read(|tx| tx.get(scope, name)).unwrap().map(|value| value.to_vec())
}

#[test]
fn parts_survive_and_are_apart() {
    let home = Home::new();
    {
        let store = home.open();
        put(&store, Scope::Home, "identity", b"me");
        put(&store, Scope::Group(A), "state", b"one");
        put(&store, Scope::Group(B), "state", b"two");
        put(&store, Scope::Group(A), "state", b"three");
        put(&store, Scope::Group(A), "empty", b"");
    }
    let store = home.open();
    assert_eq!(get(&store, Scope::Home, "identity").unwrap(), b"me");
    assert_eq!(get(&store, Scope::Home, "state"), None);
    assert_eq!(get(&store, Scope::Group(A), "state").unwrap(), b"three");
    assert_eq!(get(&store, Scope::Group(B), "state").unwrap(), b"two");
    assert_eq!(get(&store, Scope::Group(A), "empty").unwrap(), b"");
    assert_eq!(store.read(|tx| tx.groups()).unwrap(), [A, B]);
    store.write(|tx| tx.delete(Scope::Group(A), "state")).unwrap();
    store.write(|tx| tx.delete(Scope::Group(A), "never there")).unwrap();
    assert_eq!(get(&store, Scope::Group(A), "state"), None);
}

#[test]
fn a_failed_write_leaves_nothing() {
    #[derive(Debug)]
    struct Mine;
    impl From<StoreError> for Mine {
        fn from(_: StoreError) -> Self {
            Self
        }
    }

    let home = Home::new();
    let store = home.open();
    put(&store, Scope::Group(A), "state", b"before");
    let version = store.read(|tx| tx.version(&A)).unwrap();
    let failed: Result<(), Mine> = store.write(|tx| {
        tx.put(Scope::Group(A), "state", b"after")?;
        tx.put_entry(&B, 0, b"entry")?;
        assert_eq!(tx.get(Scope::Group(A), "state")?.unwrap().as_slice(), b"after");
        Err(Mine)
    });
    failed.unwrap_err();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.write::<(), StoreError>(|tx| {
            tx.put(Scope::Group(A), "state", b"after")?;
            panic!("in a closure");
        });
    }));
    panicked.unwrap_err();
    assert_eq!(get(&store, Scope::Group(A), "state").unwrap(), b"before");
    assert_eq!(store.read(|tx| tx.groups()).unwrap(), [A]);
    assert_eq!(store.read(|tx| tx.version(&A)).unwrap(), version);
    put(&store, Scope::Group(A), "state", b"later");
}

#[test]
fn a_passed_over_failure_undoes_the_transaction() {
    let home = Home::new();
    let store = home.open();
    home.raw().execute_batch("DROP TABLE parts").unwrap();
    let result: Result<(), StoreError> = store.write(|tx| {
        let _ = tx.put(Scope::Group(A), "state", b"lost");
        assert!(matches!(tx.put_entry(&A, 0, b"entry"), Err(StoreError::Undone)));
        Ok(())
    });
    assert!(matches!(result, Err(StoreError::Undone)), "{result:?}");
    assert!(store.read(|tx| tx.groups()).unwrap().is_empty());
}

#[test]
fn versions_grow_with_every_write_that_touches() {
    let home = Home::new();
    let store = home.open();
    let version = |group: &GroupId| store.read(|tx| tx.version(group)).unwrap();
    assert_eq!(version(&A), 0);
    put(&store, Scope::Group(A), "state", b"1");
    let first = version(&A);
    assert!(first > 0);
    put(&store, Scope::Group(B), "state", b"1");
    store.write(|tx| tx.get(Scope::Group(A), "state").map(|_| ())).unwrap();
    assert_eq!(version(&A), first);
    store.write(|tx| tx.put_entry(&A, 0, b"entry")).unwrap();
    let second = version(&A);
    assert!(second > first);
    // What is there already changes nothing.
    store.write(|tx| tx.put_entry(&A, 0, b"entry")).unwrap();
    assert_eq!(version(&A), second);
    store.write(|tx| tx.put_log_hash(&A, Seq::ZERO, LogHash::new([1; 32]))).unwrap();
    let third = version(&A);
    assert!(third > second);
    store.write(|tx| tx.delete_group(&A)).unwrap();
    assert_eq!(version(&A), 0);
    put(&store, Scope::Group(A), "state", b"again");
    assert!(version(&A) > third);
}

#[test]
fn timeline_is_append_only_and_in_order() {
    let home = Home::new();
    let store = home.open();
    for position in [3_u64, 0, 7, 5] {
        store.write(|tx| tx.put_entry(&A, position, &position.to_be_bytes())).unwrap();
    }
    store.write(|tx| tx.put_entry(&B, 5, b"other group")).unwrap();
    store.write(|tx| tx.put_entry(&A, 5, &5_u64.to_be_bytes())).unwrap();
    let changed = store.write(|tx| tx.put_entry(&A, 5, b"changed"));
    assert!(matches!(changed, Err(StoreError::Conflict { table: Table::Timeline, position: 5 })));
    let far = store.write(|tx| tx.put_entry(&A, u64::MAX, b"far"));
    assert!(matches!(far, Err(StoreError::OutOfRange(u64::MAX))));

    let entries = |from, limit| store.read(|tx| tx.entries(&A, from, limit)).unwrap();
    let positions = |from, limit| entries(from, limit).iter().map(|entry| entry.0).collect::<Vec<_>>();
    assert_eq!(positions(0, 100), [0, 3, 5, 7]);
    assert_eq!(positions(3, 2), [3, 5]);
    assert!(
        positions(8, 100).is_empty() && positions(u64::MAX, 100).is_empty() && positions(0, 0).is_empty()
    );
    assert_eq!(entries(5, 1), [(5, 5_u64.to_be_bytes().to_vec())]);
    assert_eq!(store.read(|tx| tx.last_entry(&A)).unwrap(), Some((7, 7_u64.to_be_bytes().to_vec())));
    assert_eq!(store.read(|tx| tx.last_entry(&GroupId::new([0; 32]))).unwrap(), None);
}

#[test]
fn long_entries_come_in_several_answers() {
    let home = Home::new();
    let store = home.open();
    store.write(|tx| (0..4).try_for_each(|position| tx.put_entry(&A, position, &[1; 1000]))).unwrap();
    let lengths = |from, most| {
        let entries = store.read(|tx| tx.entries_within(&A, from, 10, most)).unwrap();
        entries.iter().map(|entry| entry.0).collect::<Vec<_>>()
    };
    assert_eq!(lengths(0, 2500), [0, 1]);
    assert_eq!(lengths(2, 2500), [2, 3]);
    // One that is longer alone comes alone.
    assert_eq!(lengths(1, 10), [1]);
}

#[test]
fn log_hashes_are_kept_for_the_last_positions_only() {
    let home = Home::new();
    let store = home.open();
    let hash = |n: u64| LogHash::new([u8::try_from(n % 251).unwrap(); 32]);
    let put = |tx: &WriteTx<'_>, n| tx.put_log_hash(&A, Seq::new(n), hash(n));
    let last = Store::LOG_HASHES + 9;
    store
        .write(|tx| {
            (0..10).try_for_each(|n| put(tx, n))?;
            put(tx, Store::LOG_HASHES - 1)
        })
        .unwrap();
    let found = |n| store.read(|tx| tx.log_hash(&A, Seq::new(n))).unwrap();
    assert_eq!((found(0), found(9)), (Some(hash(0)), Some(hash(9))));
    store.write(|tx| put(tx, last)).unwrap();
    assert_eq!((found(9), found(10)), (None, None));
    assert_eq!(found(Store::LOG_HASHES - 1), Some(hash(Store::LOG_HASHES - 1)));
    assert_eq!(found(last), Some(hash(last)));
    store.write(|tx| put(tx, last)).unwrap();
    let forked = store.write(|tx| tx.put_log_hash(&A, Seq::new(last), LogHash::new([255; 32])));
    assert!(matches!(forked, Err(StoreError::Conflict { table: Table::LogHashes, .. })));
    let rows: i64 = home.raw().query_row("SELECT count(*) FROM log_hashes", (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
}

#[test]
fn a_deleted_group_is_gone_and_its_successor_new() {
    let home = Home::new();
    let store = home.open();
    store
        .write(|tx| {
            tx.put(Scope::Group(A), "state", b"old")?;
            tx.put_entry(&A, 1, b"old")?;
            tx.put_log_hash(&A, Seq::new(1), LogHash::new([1; 32]))?;
            tx.put(Scope::Group(B), "state", b"stays")
        })
        .unwrap();
    store
        .write(|tx| {
            tx.put(Scope::Group(A), "state", b"about to go")?;
            tx.delete_group(&A)?;
            tx.delete_group(&A)?;
            assert_eq!(tx.groups()?, [B]);
            // In one transaction with its deletion, too.
            tx.put(Scope::Group(A), "new", b"new")
        })
        .unwrap();
    assert_eq!(get(&store, Scope::Group(A), "state"), None);
    assert_eq!(get(&store, Scope::Group(A), "new").unwrap(), b"new");
    assert_eq!(store.read(|tx| tx.last_entry(&A)).unwrap(), None);
    assert_eq!(store.read(|tx| tx.log_hash(&A, Seq::new(1))).unwrap(), None);
    assert_eq!(get(&store, Scope::Group(B), "state").unwrap(), b"stays");
    assert_eq!(store.read(|tx| tx.groups()).unwrap(), [B, A]);
}

#[test]
fn a_read_sees_one_state() {
    let home = Home::new();
    let store = home.open();
    put(&store, Scope::Home, "n", b"1");
    store
        .read::<_, StoreError>(|tx| {
            let before = tx.get(Scope::Home, "n")?;
            put(&store, Scope::Home, "n", b"2");
            assert_eq!(tx.get(Scope::Home, "n")?, before);
            Ok(())
        })
        .unwrap();
    assert_eq!(get(&store, Scope::Home, "n").unwrap(), b"2");
}

#[test]
fn a_full_disk_undoes_the_transaction() {
    let home = Home::new();
    let store = home.open();
    put(&store, Scope::Group(A), "state", b"before");
    let limit_pages = |pages: u32| {
        let connection = store.0.writer.lock().unwrap();
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    limit_pages(20);
    let result = store.write(|tx| {
        tx.put(Scope::Group(A), "state", b"after")?;
        // The failure is passed over, and what follows must not be kept alone.
        let _ = tx.put(Scope::Group(A), "big", &[1; 1_000_000]);
        tx.put(Scope::Group(B), "state", b"after")
    });
    assert!(matches!(result, Err(StoreError::Undone)), "{result:?}");
    let result = store.write(|tx| tx.put_entry(&A, 0, &[1; 1_000_000]));
    assert!(matches!(result, Err(StoreError::Full)), "{result:?}");
    assert_eq!(get(&store, Scope::Group(A), "state").unwrap(), b"before");
    assert_eq!(store.read(|tx| tx.groups()).unwrap(), [A]);
    limit_pages(10_000);
    put(&store, Scope::Group(A), "big", &[1; 1_000_000]);
}

#[test]
fn a_writer_that_does_not_end_is_not_waited_for_without_end() {
    let home = Home::new();
    let store = home.open();
    let raw = home.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.0.writer.lock().unwrap().busy_timeout(core::time::Duration::from_millis(1)).unwrap();
    let result = store.write(|tx| tx.put(Scope::Home, "n", b"1"));
    assert!(matches!(result, Err(StoreError::Busy)), "{result:?}");
    // Reading goes on beside it.
    assert_eq!(get(&store, Scope::Home, "n"), None);
    raw.execute_batch("ROLLBACK").unwrap();
    put(&store, Scope::Home, "n", b"1");
}

#[test]
fn values_have_a_longest_length() {
    let home = Home::new();
    let store = home.open();
    let result = store.write(|tx| tx.put(Scope::Home, "big", &vec![0; Store::MAX_VALUE + 1]));
    assert!(matches!(result, Err(StoreError::TooLarge { .. })));
}

#[test]
fn keys_and_handles_show_nothing() {
    let key = StoreKey::from_bytes(&[0x5a; 32]);
    assert_eq!(format!("{key:?}"), "StoreKey(..)");
    assert_eq!(*key.to_bytes(), [0x5a; 32]);
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    assert_ne!(*StoreKey::generate(&mut rng).to_bytes(), *StoreKey::generate(&mut rng).to_bytes());
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let home = Home::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = home.path.parent().unwrap();
    {
        let store = home.open();
        put(&store, Scope::Home, "n", b"1");
        for name in ["store.db", "store.db-wal", "store.db-shm", "locks/open"] {
            assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
        }
        assert_eq!((mode(folder), mode(&folder.join("locks"))), (0o700, 0o700));
    }
    fs::set_permissions(&home.path, fs::Permissions::from_mode(0o644)).unwrap();
    home.open();
    assert_eq!(mode(&home.path), 0o600);
}

#[test]
fn a_relative_path_is_that_of_now() {
    let home = Home::new();
    assert!(home.open().path().is_absolute());
}
