//! The tree: what the journal says, in order of keys, in memory and in tables.
//!
//! One writer applies batches and seals memtables; one background thread flushes and compacts; anyone reads. A
//! reader looks at the tree as of one commit: it opens a [`View`], and nothing committed later is seen through it.
//!
//! Tables are written and synced by the engine. Its manifest carries a checksum that the engine writes but does not
//! read, so it is checked here before the engine may act on it; every block is checked by the engine when it is
//! loaded, and every value by us (`values.rs`).

mod manifest;

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use lsm_tree::{
    AbstractTree as _, AnyTree, Cache, Config, Guard as _, IterGuardImpl, SequenceNumberCounter, Slice,
    compaction::Leveled, config::CompressionPolicy,
};

use crate::{
    OpenError,
    batch::Batch,
    error::Damage,
    keys::{self, Key},
    values,
};

/// Levels of the tree.
const LEVELS: usize = 7;

pub(crate) struct Store {
    tree: AnyTree,
    path: PathBuf,
    seed: u64,
    /// The engine's own counter: one number for each batch and each change of the table list.
    seqno: SequenceNumberCounter,
    /// Readers see what is below this. The engine's own notion of it would let a half-applied batch be seen, for
    /// the background thread moves it as well.
    published: AtomicU64,
    /// How many views look at each point; the oldest bounds what may be collected.
    views: Mutex<BTreeMap<u64, usize>>,
}

impl Store {
    pub(crate) fn open(path: &Path, seed: u64, cache_bytes: u64) -> Result<Self, OpenError> {
        manifest::check(path)?;
        let seqno = SequenceNumberCounter::default();
        let config = Config::new(path, seqno.clone(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(cache_bytes)))
            // Said rather than left to the engine's default, which depends on the features a build unifies: sealed
            // bytes do not compress, and tables must be readable by every build.
            .data_block_compression_policy(CompressionPolicy::disabled())
            .index_block_compression_policy(CompressionPolicy::disabled());
        let tree = guard(|| config.open())
            .unwrap_or(Err(lsm_tree::Error::Unrecoverable))
            .map_err(|source| OpenError::Tables { path: path.to_owned(), source })?;
        seqno.fetch_max(tree.get_highest_persisted_seqno().map_or(1, |highest| highest + 1));
        let published = AtomicU64::new(seqno.get());
        Ok(Self { tree, path: path.to_owned(), seed, seqno, published, views: Mutex::default() })
    }

    /// Number of the last journal entry that is in the tables.
    pub(crate) fn applied(self: &Arc<Self>) -> Result<u64, Damage> {
        let applied = self.view().get(&keys::applied())?;
        applied.map_or(Ok(0), |n| values::decode_number(&n))
    }

    /// Makes a batch visible, all of it at once. Called by the writer alone.
    pub(crate) fn apply(&self, batch: &Batch) {
        let at = self.seqno.next();
        for (key, value) in batch.iter() {
            match value {
                Some(value) => self.tree.insert(key, values::seal(self.seed, key, value), at),
                None => self.tree.remove(key, at),
            };
        }
        self.published.store(at + 1, Ordering::Release);
    }

    /// Bytes in the memtable that is being written.
    pub(crate) fn memtable_bytes(&self) -> u64 {
        self.tree.active_memtable().size()
    }

    /// Memtables waiting to be flushed.
    pub(crate) fn sealed(&self) -> usize {
        self.tree.sealed_memtable_count()
    }

    /// Closes the memtable, which holds everything up to journal entry `last`. Called by the writer alone.
    ///
    /// The number goes into the memtable itself, so that it reaches the tables with what it counts or not at all.
    pub(crate) fn seal(&self, last: u64) {
        let key = keys::applied();
        let at = self.seqno.next();
        let number = values::seal(self.seed, &key, &values::encode_number(last));
        self.tree.insert(key, number, at);
        self.published.store(at + 1, Ordering::Release);
        self.tree.rotate_memtable();
    }

    /// Writes sealed memtables to tables and syncs them. Called by one thread at a time, which also compacts.
    pub(crate) fn flush(&self) -> Result<(), lsm_tree::Error> {
        self.making_tables(|| {
            let lock = self.tree.get_flush_lock();
            self.tree.flush(&lock, self.collectable()).map(drop)
        })
    }

    /// Does one step of compaction; whether there may be more to do. Called by the thread that flushes.
    pub(crate) fn compact(&self) -> Result<bool, lsm_tree::Error> {
        let shape = |tree: &AnyTree| -> [Option<usize>; LEVELS] {
            std::array::from_fn(|level| tree.level_table_count(level))
        };
        self.making_tables(|| {
            let before = shape(&self.tree);
            self.tree.compact(Arc::new(Leveled::default()), self.collectable())?;
            Ok(shape(&self.tree) != before)
        })
    }

    /// Runs engine code that makes tables. If it fails, the half-made ones go: the engine leaves them behind, and a
    /// full disk on which each attempt leaves one would never have room again.
    fn making_tables<T>(
        &self,
        run: impl FnOnce() -> Result<T, lsm_tree::Error>,
    ) -> Result<T, lsm_tree::Error> {
        let before = self.listing();
        let done = guard(run).unwrap_or(Err(lsm_tree::Error::Unrecoverable));
        if done.is_err()
            && let (Ok((list_before, before)), Ok((list_after, after))) = (before, self.listing())
            // IMPORTANT: the list of tables comes last; only while it is the old one does nothing name the new ones.
            && list_before == list_after
        {
            for half_made in after.difference(&before) {
                // What stays is removed when the tree is next opened.
                let _ = fs::remove_file(half_made);
            }
        }
        done
    }

    /// Which list of tables is current, and the table files there are.
    fn listing(&self) -> io::Result<(Vec<u8>, HashSet<PathBuf>)> {
        let tables = fs::read_dir(self.path.join("tables"))?;
        let tables = tables.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
        Ok((fs::read(self.path.join("current"))?, tables))
    }

    /// The tree as of the last commit.
    pub(crate) fn view(self: &Arc<Self>) -> View {
        let mut views = self.views();
        // Read under the lock, so that `collectable` cannot pass between this and the registration.
        let at = self.published.load(Ordering::Acquire);
        *views.entry(at).or_default() += 1;
        View { store: Arc::clone(self), at }
    }

    /// The engine may forget table lists that no reader at or after this point needs.
    fn collectable(&self) -> u64 {
        let views = self.views();
        views.first_key_value().map_or_else(|| self.published.load(Ordering::Acquire), |(oldest, _)| *oldest)
    }

    fn views(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs engine code on stored bytes. What those bytes make it assert is damage to us, not a reason to die.
fn guard<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

/// The tree as of one commit.
pub(crate) struct View {
    store: Arc<Store>,
    at: u64,
}

impl Drop for View {
    fn drop(&mut self) {
        let mut views = self.store.views();
        if let Some(count) = views.get_mut(&self.at) {
            *count -= 1;
            if *count == 0 {
                views.remove(&self.at);
            }
        }
    }
}

/// A checked value.
#[derive(Clone)]
pub(crate) struct Value(Slice);

impl std::ops::Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.get(values::CHECK_LEN..).unwrap_or_default()
    }
}

impl View {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Value>, Damage> {
        let found =
            guard(|| self.store.tree.get(key, self.at)).and_then(Result::ok).ok_or(Damage::UNKNOWN)?;
        found.map(|sealed| self.checked(key, sealed)).transpose()
    }

    /// Entries with keys from `from` on and below `to`, from either end.
    pub(crate) fn range(&self, from: &[u8], to: &[u8]) -> Range<'_> {
        let entries = (from < to).then(|| guard(|| self.store.tree.range(from..to, self.at, None)));
        match entries {
            Some(Some(entries)) => Range { view: self, entries: Some(entries), failed: false },
            Some(None) => Range { view: self, entries: None, failed: true },
            None => Range { view: self, entries: None, failed: false },
        }
    }

    /// Entries whose keys begin with `prefix`.
    pub(crate) fn prefix(&self, prefix: &[u8]) -> Range<'_> {
        self.range(prefix, &keys::end_of(prefix))
    }

    fn checked(&self, key: &[u8], sealed: Slice) -> Result<Value, Damage> {
        match values::open(self.store.seed, key, &sealed) {
            Some(_) => Ok(Value(sealed)),
            None => {
                Err(keys::parse_record(key).map_or(Damage::UNKNOWN, |(group, seq)| Damage::of(group, seq)))
            }
        }
    }
}

/// Checked entries in order of keys. Ends after the first damaged one: what follows it cannot be trusted to be next.
pub(crate) struct Range<'a> {
    view: &'a View,
    entries: Option<Box<dyn DoubleEndedIterator<Item = IterGuardImpl> + Send>>,
    failed: bool,
}

impl Range<'_> {
    fn step(
        &mut self,
        advance: impl FnOnce(&mut dyn DoubleEndedIterator<Item = IterGuardImpl>) -> Option<IterGuardImpl>,
    ) -> Option<Result<(Key, Value), Damage>> {
        if std::mem::take(&mut self.failed) {
            return Some(Err(Damage::UNKNOWN));
        }
        let entries = self.entries.as_mut()?;
        let entry = match guard(|| advance(&mut **entries).map(IterGuardImpl::into_inner)) {
            Some(None) => return None,
            Some(Some(Ok((key, sealed)))) => {
                self.view.checked(&key, sealed).map(|value| (key.to_vec(), value))
            }
            Some(Some(Err(_))) | None => Err(Damage::UNKNOWN),
        };
        if entry.is_err() {
            self.entries = None;
        }
        Some(entry)
    }
}

impl Iterator for Range<'_> {
    type Item = Result<(Key, Value), Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(|entries| entries.next())
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(|entries| entries.next_back())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Arc<Store>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path(), 1, 1 << 20).unwrap());
        (folder, store)
    }

    fn batch(key: &[u8], value: &[u8]) -> Batch {
        let mut batch = Batch::default();
        batch.put(key.to_vec(), value.to_vec());
        batch
    }

    #[test]
    fn a_view_stays_where_it_is_through_flushes_and_merges() {
        let (_folder, store) = store();
        let mut views = Vec::new();
        for n in 0..20_u8 {
            store.apply(&batch(b"Mkey", &[n]));
            views.push((n, store.view()));
            store.seal(u64::from(n) + 1);
            store.flush().unwrap();
            while store.compact().unwrap() {}
        }
        for (n, view) in views {
            assert_eq!(view.get(b"Mkey").unwrap().as_deref(), Some(&[n][..]));
            let all: Vec<_> = view.range(b"M", b"N").map(|e| e.unwrap().1.to_vec()).collect();
            assert_eq!(all, [[n]]);
        }
        assert_eq!(store.applied(), Ok(20));
        assert!(store.views().is_empty());
    }

    #[test]
    fn half_made_tables_go_unless_they_are_listed() {
        let (folder, store) = store();
        let half_made = folder.path().join("tables/99");
        let full = || lsm_tree::Error::Io(io::ErrorKind::StorageFull.into());
        let failed = store.making_tables::<()>(|| {
            fs::write(&half_made, b"half").unwrap();
            Err(full())
        });
        assert!(failed.is_err() && !half_made.exists());
        let failed = store.making_tables::<()>(|| {
            fs::write(&half_made, b"whole").unwrap();
            fs::write(folder.path().join("current"), b"names it").unwrap();
            Err(full())
        });
        assert!(failed.is_err() && half_made.exists());
    }

    #[test]
    fn a_panic_in_the_engine_is_an_error() {
        let (_folder, store) = store();
        let failed = store.making_tables::<()>(|| std::panic::resume_unwind(Box::new(())));
        assert!(matches!(failed, Err(lsm_tree::Error::Unrecoverable)));
    }
}
