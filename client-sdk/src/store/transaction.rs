//! What can be done inside a transaction.

mod write;

use core::fmt;

use protocol::{GroupId, LogHash, Seq};
use rusqlite::{OptionalExtension, Params, Row, Transaction};
use zeroize::Zeroizing;

pub use write::WriteTx;

use super::{
    StoreError, Table,
    key::Keys,
    seal::{self, HOME_ROW, Place},
};

/// Bytes of timeline that one call gives, unless its first entry alone is longer.
const MAX_BATCH: usize = 32 * 1024 * 1024;

/// Whose part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The home: what is there once.
    Home,
    /// One group.
    Group(GroupId),
}

/// The tables whose rows stand at positions and are never replaced.
#[derive(Clone, Copy)]
enum Series {
    Timeline,
    LogHashes,
}

impl Series {
    const fn table(self) -> Table {
        match self {
            Self::Timeline => Table::Timeline,
            Self::LogHashes => Table::LogHashes,
        }
    }

    const fn select(self) -> &'static str {
        match self {
            Self::Timeline => "SELECT position, sealed FROM timeline WHERE row = ?1 AND position = ?2",
            Self::LogHashes => "SELECT position, sealed FROM log_hashes WHERE row = ?1 AND position = ?2",
        }
    }

    const fn insert(self) -> &'static str {
        match self {
            Self::Timeline => "INSERT INTO timeline (row, position, sealed) VALUES (?1, ?2, ?3)",
            Self::LogHashes => "INSERT INTO log_hashes (row, position, sealed) VALUES (?1, ?2, ?3)",
        }
    }
}

/// A consistent view of the store, from [`Store::read`](crate::store::Store::read).
pub struct ReadTx<'s> {
    sql: Transaction<'s>,
    keys: &'s Keys,
}

impl fmt::Debug for ReadTx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadTx")
    }
}

/// A group's row: its number, and the change that last touched the group.
#[derive(Clone, Copy)]
struct GroupRow {
    row: i64,
    version: u64,
}

impl<'s> ReadTx<'s> {
    pub(super) const fn new(sql: Transaction<'s>, keys: &'s Keys) -> Self {
        Self { sql, keys }
    }

    /// The part of this name, wiped when dropped; `None` where none was put.
    ///
    /// # Errors
    /// [`StoreError::Tampered`] or [`StoreError::Damaged`] for a row that is not as it was written.
    pub fn get(&self, scope: Scope, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Some(row) = self.scope_row(scope)? else { return Ok(None) };
        let tag = self.keys.part_tag(name);
        let sealed = self.blob("SELECT sealed FROM parts WHERE row = ?1 AND tag = ?2", (row, tag))?;
        sealed.map(|sealed| seal::open(self.keys, part_place(row, &scope, name), &sealed)).transpose()
    }

    /// The groups something was put for, in the order they first were.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn groups(&self) -> Result<Vec<GroupId>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT row, tag, sealed FROM groups ORDER BY row")?;
        let mut rows = statement.query(())?;
        let mut groups = Vec::new();
        while let Some(row) = rows.next()? {
            let (number, tag): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
            groups.push(self.open_group(number, &tag, &blob(row, 2)?)?.0);
        }
        Ok(groups)
    }

    /// A number that grows with every write transaction that touched the group, in whichever process; 0 for a group
    /// nothing was put for. It is never the same for two different states, also when the group is deleted in between.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn version(&self, group: &GroupId) -> Result<u64, StoreError> {
        Ok(self.group_row(group)?.map_or(0, |group| group.version))
    }

    /// Number of write transactions so far that changed anything.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn changes(&self) -> Result<u64, StoreError> {
        let sealed = self.blob("SELECT sealed FROM home WHERE id = 1", ())?.ok_or(StoreError::Damaged)?;
        let count = seal::open(self.keys, Place::home(), &sealed)?;
        let count: [u8; 8] = count.as_slice().try_into().map_err(|_| StoreError::Tampered(Table::Home))?;
        Ok(u64::from_be_bytes(count))
    }

    /// Timeline entries from position `from` on, in order: at most `limit`, and fewer where they are long. An empty
    /// answer means that there are none left.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn entries(
        &self,
        group: &GroupId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.entries_within(group, from, limit, MAX_BATCH)
    }

    pub(super) fn entries_within(
        &self,
        group: &GroupId,
        from: u64,
        limit: usize,
        most_bytes: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        // A position above the range of the file is behind every entry.
        let (Some(row), Ok(from)) = (self.row(group)?, i64::try_from(from)) else { return Ok(Vec::new()) };
        let mut statement = self.sql.prepare_cached(
            "SELECT position, sealed FROM timeline WHERE row = ?1 AND position >= ?2 ORDER BY position LIMIT ?3",
        )?;
        let mut rows = statement.query((row, from, i64::try_from(limit).unwrap_or(i64::MAX)))?;
        let (mut entries, mut bytes) = (Vec::new(), 0_usize);
        while let Some(found) = rows.next()? {
            let entry = self.open_at(Series::Timeline, row, group, found)?;
            bytes = bytes.saturating_add(entry.1.len());
            if bytes > most_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The timeline entry at the highest position.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn last_entry(&self, group: &GroupId) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let Some(row) = self.row(group)? else { return Ok(None) };
        let mut statement = self.sql.prepare_cached(
            "SELECT position, sealed FROM timeline WHERE row = ?1 ORDER BY position DESC LIMIT 1",
        )?;
        let mut rows = statement.query((row,))?;
        rows.next()?.map(|found| self.open_at(Series::Timeline, row, group, found)).transpose()
    }

    /// The hash of the log at a position, `None` where it was not put or is no longer kept.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn log_hash(&self, group: &GroupId, seq: Seq) -> Result<Option<LogHash>, StoreError> {
        let (Some(row), Ok(position)) = (self.row(group)?, i64::try_from(seq.get())) else { return Ok(None) };
        let found = self.at(Series::LogHashes, row, group, position)?;
        let hash = found.map(|hash| LogHash::from_slice(&hash)).transpose();
        hash.map_err(|_| StoreError::Tampered(Table::LogHashes))
    }

    fn at(
        &self,
        series: Series,
        row: i64,
        group: &GroupId,
        position: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self.sql.prepare_cached(series.select())?;
        let mut rows = statement.query((row, position))?;
        let found = rows.next()?.map(|found| self.open_at(series, row, group, found)).transpose()?;
        Ok(found.map(|(_, bytes)| bytes))
    }

    /// Opens a row of the columns (position, sealed).
    fn open_at(
        &self,
        series: Series,
        row: i64,
        group: &GroupId,
        found: &Row<'_>,
    ) -> Result<(u64, Vec<u8>), StoreError> {
        let position: i64 = found.get(0)?;
        let place = Place { table: series.table(), row, group: Some(group), item: &position.to_be_bytes() };
        let mut plaintext = seal::open(self.keys, place, &blob(found, 1)?)?;
        let position = u64::try_from(position).map_err(|_| StoreError::Damaged)?;
        Ok((position, core::mem::take(&mut *plaintext)))
    }

    fn scope_row(&self, scope: Scope) -> Result<Option<i64>, StoreError> {
        match scope {
            Scope::Home => Ok(Some(HOME_ROW)),
            Scope::Group(group) => self.row(&group),
        }
    }

    fn row(&self, group: &GroupId) -> Result<Option<i64>, StoreError> {
        Ok(self.group_row(group)?.map(|group| group.row))
    }

    fn group_row(&self, group: &GroupId) -> Result<Option<GroupRow>, StoreError> {
        let tag = self.keys.group_tag(group);
        let mut statement = self.sql.prepare_cached("SELECT row, sealed FROM groups WHERE tag = ?1")?;
        let mut rows = statement.query((tag,))?;
        let Some(found) = rows.next()? else { return Ok(None) };
        let row = found.get(0)?;
        let (id, version) = self.open_group(row, &tag, &blob(found, 1)?)?;
        if id == *group {
            Ok(Some(GroupRow { row, version }))
        } else {
            Err(StoreError::Tampered(Table::Groups))
        }
    }

    /// Which group a row of `groups` stands for, and its version.
    fn open_group(&self, row: i64, tag: &[u8], sealed: &[u8]) -> Result<(GroupId, u64), StoreError> {
        let plaintext = seal::open(self.keys, group_place(row, tag), sealed)?;
        let tampered = || StoreError::Tampered(Table::Groups);
        let (id, version) = plaintext.split_last_chunk::<8>().ok_or_else(tampered)?;
        Ok((GroupId::from_slice(id).map_err(|_| tampered())?, u64::from_be_bytes(*version)))
    }

    fn blob(&self, sql: &str, params: impl Params) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self.sql.prepare_cached(sql)?;
        statement.query_row(params, |row| Ok(blob(row, 0))).optional()?.transpose()
    }
}

fn part_place<'a>(row: i64, scope: &'a Scope, name: &'static str) -> Place<'a> {
    let group = match scope {
        Scope::Home => None,
        Scope::Group(group) => Some(group),
    };
    Place { table: Table::Parts, row, group, item: name.as_bytes() }
}

/// The row itself says which group it is for, so that the groups can be listed; its place is the row and its name.
const fn group_place(row: i64, tag: &[u8]) -> Place<'_> {
    Place { table: Table::Groups, row, group: None, item: tag }
}

/// A column of sealed bytes; one longer than any this store writes is not copied.
fn blob(row: &Row<'_>, column: usize) -> Result<Vec<u8>, StoreError> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|_| StoreError::Damaged)?;
    if bytes.len() > seal::MAX_SEALED { Err(StoreError::Damaged) } else { Ok(bytes.to_vec()) }
}
