//! What a client remembers: one encrypted database file for all groups of a home.
//!
//! Every row is sealed under a key derived from the [`StoreKey`] and bound to its place, and rows are named by keyed
//! hashes; the file shows how many groups there are, how many rows each has, how long those are and when they were
//! written, and nothing else. Whoever can write to the file can delete rows or put back an older copy of all of it:
//! that such a state is old is for the layers above to notice, by comparing it with the node's log. Changing or moving
//! a row is noticed here.
//!
//! A [`Store`] is a cheap handle. Any number of processes may use one file at once: a [`Store::write`] is one
//! transaction, on disk when it returns; a [`Store::read`] sees one consistent state. Whoever keeps a copy of a group in
//! memory compares [`ReadTx::version`] before building on it, and holds the [`GroupLock`] from reading a state to
//! having stored its successor.
//!
//! # Blocking
//!
//! All methods but [`Store::lock_group`] block on the disk, writes for a flush or longer. Inside a runtime call them
//! through `tokio::task::spawn_blocking`.
//!
//! # What is overwritten
//!
//! Replaced and deleted rows are overwritten in the database file when their page is next written, and in the log of
//! changes beside it when that log starts over, every megabyte or so and when the last process closes the store. Copies
//! that a file system or a flash disk keeps are out of reach; those are sealed under the store's key.

use core::fmt;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, TransactionBehavior};

mod error;
mod files;
mod key;
mod lock;
mod schema;
mod seal;
#[cfg(test)]
mod tests;
mod transaction;

pub use error::StoreError;
pub use key::StoreKey;
pub use lock::GroupLock;
pub use schema::Table;
pub use transaction::{ReadTx, Scope, WriteTx};

use files::Files;
use key::{Keys, SALT_LEN};
use seal::{HOME_ROW, Place};

/// Connections kept open for reading when nobody reads.
const IDLE_READERS: usize = 4;

/// An encrypted store in one file; clones are handles to the same.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    files: Files,
    keys: Keys,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    locks: lock::Registry,
}

impl Store {
    /// Longest value of one row, in bytes.
    pub const MAX_VALUE: usize = seal::MAX_VALUE;

    /// Positions back from the newest for which [`WriteTx::put_log_hash`] keeps hashes.
    pub const LOG_HASHES: u64 = 100_000;

    /// Opens the store in `path`, or makes one where there is no file.
    ///
    /// The file gets mode 0600. Its folder is made with mode 0700 where it does not exist, and set to that where it is
    /// empty; a folder with something else in it is left as it is. Beside the file appear two of the same
    /// name with `-wal` and `-shm` added, and the folder `locks`. Blocks for as long as another process is opening the same store.
    ///
    /// # Errors
    /// [`StoreError::WrongKey`]; [`StoreError::NewerFormat`], [`StoreError::NotAStore`] and [`StoreError::Damaged`] for
    /// a file that cannot be used; [`StoreError::Files`] when folder, file or locks are not accessible. None of them
    /// changes the file.
    pub fn open(path: impl AsRef<Path>, key: StoreKey) -> Result<Self, StoreError> {
        let files = Files::prepare(path.as_ref())?;
        // Making the file and switching its journal are not for two processes at once.
        let _opening = files.lock("open")?;
        if files.is_missing()? {
            files.create(|file| Self::create(file, &key))?;
        }
        files.restrict()?;
        let connection = schema::connect(files.database())?;
        schema::check_format(&connection)?;
        let (salt, check): (Vec<u8>, Vec<u8>) =
            connection.query_row("SELECT salt, key_check FROM home WHERE id = 1", (), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let salt: [u8; SALT_LEN] = salt.try_into().map_err(|_| StoreError::Damaged)?;
        let keys = Keys::derive(&key, &salt);
        if !keys.fits(&check) {
            return Err(StoreError::WrongKey);
        }
        schema::use_wal(&connection)?;
        Ok(Self(Arc::new(Shared {
            files,
            keys,
            writer: Mutex::new(connection),
            readers: Mutex::default(),
            locks: lock::Registry::default(),
        })))
    }

    fn create(file: &Path, key: &StoreKey) -> Result<(), StoreError> {
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|_| StoreError::NoRandomness)?;
        let keys = Keys::derive(key, &salt);
        let home = seal::seal(&keys, Place::home(), &0_u64.to_be_bytes())?;
        let mut connection = schema::connect(file)?;
        schema::create(&mut connection, &salt, keys.check(), &home)?;
        connection.close().map_err(|(_, error)| error.into())
    }

    /// Runs `f` on one consistent state, which writes of others do not change meanwhile.
    ///
    /// The closure should be short: while it runs, the log of changes cannot start over. The error type is the
    /// caller's; a closure that has none of its own says `|tx| -> Result<_, StoreError>` where it cannot be inferred.
    ///
    /// # Errors
    /// What `f` returns, and [`StoreError`] when no transaction can be begun.
    pub fn read<T, E: From<StoreError>>(&self, f: impl FnOnce(&ReadTx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.reader()?;
        let result = {
            let transaction = connection.transaction().map_err(StoreError::from)?;
            f(&ReadTx::new(transaction, &self.0.keys))
        };
        let mut idle = ignore_poison(self.0.readers.lock());
        if idle.len() < IDLE_READERS {
            idle.push(connection);
        }
        result
    }

    /// Runs `f` as one transaction, alone among the writers of all processes: on `Ok` all of it is on disk when this
    /// returns, on `Err` and on a panic none of it has happened.
    ///
    /// Where committing itself fails (a full or failing disk) the transaction is undone as far as this process can
    /// tell; after a crash at that moment it may be found committed. A write inside a write of the same store waits for
    /// itself for ever.
    ///
    /// # Errors
    /// What `f` returns, and [`StoreError`] when the transaction cannot be begun or committed.
    pub fn write<T, E: From<StoreError>>(
        &self,
        f: impl FnOnce(&WriteTx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = ignore_poison(self.0.writer.lock());
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let transaction = WriteTx::new(transaction, &self.0.keys);
        let value = f(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.files.database()
    }

    fn reader(&self) -> Result<Connection, StoreError> {
        // The statement ends before a new connection is opened, and with it the lock.
        let idle = ignore_poison(self.0.readers.lock()).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let connection = schema::connect(self.path())?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&PathBuf::from(self.path())).finish()
    }
}

/// A panic in a closure rolls its transaction back while it unwinds, so what the mutex holds is in order.
fn ignore_poison<'a, T>(
    locked: Result<MutexGuard<'a, T>, PoisonError<MutexGuard<'a, T>>>,
) -> MutexGuard<'a, T> {
    locked.unwrap_or_else(PoisonError::into_inner)
}

impl Place<'static> {
    const fn home() -> Self {
        Self { table: Table::Home, row: HOME_ROW, group: None, item: &[] }
    }
}
