//! What changes the store.

use core::{
    cell::{Cell, RefCell},
    fmt,
    ops::Deref,
};
use std::collections::BTreeMap;

use protocol::{GroupId, LogHash, Seq};
use rusqlite::{Params, Transaction};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{ReadTx, Scope, Series, group_place, part_place};
use crate::store::{
    Store, StoreError,
    key::Keys,
    seal::{self, HOME_ROW, Place},
};

/// A transaction that may change the store, from [`Store::write`]. It reads, too, and sees its own changes.
pub struct WriteTx<'s> {
    read: ReadTx<'s>,
    touched: RefCell<Touched>,
    /// Whether a statement failed. The engine ends the transaction at some failures; what came after would stand alone.
    failed: Cell<bool>,
}

/// What this transaction has changed so far.
#[derive(Default)]
struct Touched {
    /// The number of this transaction, once it changed anything.
    change: Option<u64>,
    /// The rows of the groups that carry that number already.
    groups: BTreeMap<GroupId, i64>,
}

impl fmt::Debug for WriteTx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteTx")
    }
}

impl<'s> Deref for WriteTx<'s> {
    type Target = ReadTx<'s>;

    fn deref(&self) -> &ReadTx<'s> {
        &self.read
    }
}

impl<'s> WriteTx<'s> {
    pub(in crate::store) fn new(sql: Transaction<'s>, keys: &'s Keys) -> Self {
        Self { read: ReadTx::new(sql, keys), touched: RefCell::default(), failed: Cell::new(false) }
    }

    pub(in crate::store) fn commit(self) -> Result<(), StoreError> {
        if self.failed.get() {
            return Err(StoreError::Undone);
        }
        Ok(self.read.sql.commit()?)
    }

    /// Puts a part, in place of what it was before.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] above [`Store::MAX_VALUE`] bytes, and any failure of the database, after which the
    /// transaction cannot be committed any more.
    pub fn put(&self, scope: Scope, name: &'static str, value: &[u8]) -> Result<(), StoreError> {
        let row = self.touch(scope)?;
        let tag = self.keys.part_tag(name);
        let sealed = seal::seal(self.keys, part_place(row, &scope, name), value)?;
        self.execute(
            "INSERT INTO parts (row, tag, sealed) VALUES (?1, ?2, ?3)
             ON CONFLICT (row, tag) DO UPDATE SET sealed = excluded.sealed",
            (row, tag, sealed),
        )
    }

    /// Deletes a part; one that is not there is no error.
    ///
    /// # Errors
    /// Any failure of the database.
    pub fn delete(&self, scope: Scope, name: &'static str) -> Result<(), StoreError> {
        let Some(row) = self.scope_row(scope)? else { return Ok(()) };
        self.touch(scope)?;
        self.execute("DELETE FROM parts WHERE row = ?1 AND tag = ?2", (row, self.keys.part_tag(name)))
    }

    /// Adds an entry to a group's timeline. Entries are never replaced: the same bytes at the same position again are
    /// fine and change nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for other bytes at a position that is taken, [`StoreError::OutOfRange`] for a position
    /// of 2^63 or more, [`StoreError::TooLarge`] above [`Store::MAX_VALUE`] bytes.
    pub fn put_entry(&self, group: &GroupId, position: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.append(Series::Timeline, group, position, bytes)
    }

    /// Notes the hash of the log at a position, and forgets those more than [`Store::LOG_HASHES`] positions back. A
    /// hash is never replaced: the same one again is fine and changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] for another hash at a position that is taken, [`StoreError::OutOfRange`] for a position
    /// of 2^63 or more.
    pub fn put_log_hash(&self, group: &GroupId, seq: Seq, hash: LogHash) -> Result<(), StoreError> {
        self.append(Series::LogHashes, group, seq.get(), hash.as_bytes())?;
        let kept_from = seq.get().saturating_sub(Store::LOG_HASHES - 1);
        let (Some(row), Ok(kept_from)) = (self.row(group)?, i64::try_from(kept_from)) else { return Ok(()) };
        self.execute("DELETE FROM log_hashes WHERE row = ?1 AND position < ?2", (row, kept_from))
    }

    /// Deletes all that was put for a group, and the group from [`ReadTx::groups`].
    ///
    /// # Errors
    /// Any failure of the database.
    pub fn delete_group(&self, group: &GroupId) -> Result<(), StoreError> {
        let Some(row) = self.row(group)? else { return Ok(()) };
        self.change()?;
        for sql in [
            "DELETE FROM parts WHERE row = ?1",
            "DELETE FROM timeline WHERE row = ?1",
            "DELETE FROM log_hashes WHERE row = ?1",
            "DELETE FROM groups WHERE row = ?1",
        ] {
            self.execute(sql, (row,))?;
        }
        self.touched.borrow_mut().groups.remove(group);
        Ok(())
    }

    fn append(&self, series: Series, group: &GroupId, position: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let at = i64::try_from(position).map_err(|_| StoreError::OutOfRange(position))?;
        if let Some(row) = self.row(group)?
            && let Some(there) = self.at(series, row, group, at)?
        {
            let same = bool::from(there.as_slice().ct_eq(bytes));
            return if same { Ok(()) } else { Err(StoreError::Conflict { table: series.table(), position }) };
        }
        let row = self.touch(Scope::Group(*group))?;
        let place = Place { table: series.table(), row, group: Some(group), item: &at.to_be_bytes() };
        let sealed = seal::seal(self.keys, place, bytes)?;
        self.execute(series.insert(), (row, at, sealed))
    }

    /// Stamps what is about to change with the number of this transaction, makes the group's row where there is none,
    /// and gives the row's number.
    fn touch(&self, scope: Scope) -> Result<i64, StoreError> {
        let change = self.change()?;
        let Scope::Group(group) = scope else { return Ok(HOME_ROW) };
        if let Some(row) = self.touched.borrow().groups.get(&group) {
            return Ok(*row);
        }
        let tag = self.keys.group_tag(&group);
        let row = match self.row(&group)? {
            Some(row) => row,
            None => {
                // Its number is part of what the row is sealed for, so it has to be there first.
                self.execute("INSERT INTO groups (tag, sealed) VALUES (?1, zeroblob(0))", (tag,))?;
                self.read.sql.last_insert_rowid()
            }
        };
        let mut plaintext = Zeroizing::new(Vec::with_capacity(GroupId::LEN + 8));
        plaintext.extend_from_slice(group.as_bytes());
        plaintext.extend_from_slice(&change.to_be_bytes());
        let sealed = self.note(seal::seal(self.keys, group_place(row, &tag), &plaintext))?;
        self.execute("UPDATE groups SET sealed = ?2 WHERE row = ?1", (row, sealed))?;
        self.touched.borrow_mut().groups.insert(group, row);
        Ok(row)
    }

    /// The number of this transaction, counted when it is first asked for.
    fn change(&self) -> Result<u64, StoreError> {
        if let Some(change) = self.touched.borrow().change {
            return Ok(change);
        }
        let change = self.changes()?.checked_add(1).ok_or(StoreError::Damaged)?;
        let sealed = seal::seal(self.keys, Place::home(), &change.to_be_bytes())?;
        self.execute("UPDATE home SET sealed = ?1 WHERE id = 1", (sealed,))?;
        self.touched.borrow_mut().change = Some(change);
        Ok(change)
    }

    fn execute(&self, sql: &str, params: impl Params) -> Result<(), StoreError> {
        if self.failed.get() {
            return Err(StoreError::Undone);
        }
        let run = || self.read.sql.prepare_cached(sql)?.execute(params);
        self.note(run().map(|_| ()).map_err(StoreError::from))
    }

    /// Makes a failure final for the whole transaction.
    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.failed.set(self.failed.get() || result.is_err());
        result
    }
}
