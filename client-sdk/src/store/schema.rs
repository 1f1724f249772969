//! The file: its tables, its format number, and how a connection is set up.

use core::{fmt, time::Duration};
use std::path::Path;

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::StoreError;

/// Format of the file, in `user_version`; part of what every row is bound to.
pub(super) const FORMAT: u32 = 1;
/// "kith", in `application_id`.
const APPLICATION: u32 = 0x6b69_7468;

/// How long one statement waits for another process. Transactions take milliseconds, so this means something hangs.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// Statements each connection keeps prepared.
const STATEMENTS: usize = 32;

/// One kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Table {
    /// What is there once: salt, key check, count of changes.
    Home,
    /// The groups and their versions.
    Groups,
    /// Named parts of the home and of groups.
    Parts,
    /// What applications read, by position.
    Timeline,
    /// Hashes of the log, by position.
    LogHashes,
}

impl Table {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Home => 1,
            Self::Groups => 2,
            Self::Parts => 3,
            Self::Timeline => 4,
            Self::LogHashes => 5,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Home => "home",
            Self::Groups => "groups",
            Self::Parts => "parts",
            Self::Timeline => "timeline",
            Self::LogHashes => "log_hashes",
        })
    }
}

/// Row numbers of groups are never given twice, which AUTOINCREMENT is there for.
const TABLES: &str = "
CREATE TABLE home (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    salt BLOB NOT NULL,
    key_check BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE TABLE groups (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    tag BLOB NOT NULL UNIQUE,
    sealed BLOB NOT NULL
) STRICT;
CREATE TABLE parts (
    id INTEGER PRIMARY KEY,
    row INTEGER NOT NULL,
    tag BLOB NOT NULL,
    sealed BLOB NOT NULL,
    UNIQUE (row, tag)
) STRICT;
CREATE TABLE timeline (
    id INTEGER PRIMARY KEY,
    row INTEGER NOT NULL,
    position INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    UNIQUE (row, position)
) STRICT;
CREATE TABLE log_hashes (
    row INTEGER NOT NULL,
    position INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (row, position)
) STRICT, WITHOUT ROWID;
";

/// Opens a connection to a file that exists.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    // Memory-mapped reads would turn a file that is cut short while it is open into a fatal signal.
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // What a row held before is overwritten in the database when its page is, and in the log when that starts over;
    // a short log makes both soon.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", 256)?;
    connection.pragma_update(None, "journal_size_limit", 1024 * 1024)?;
    Ok(connection)
}

/// Refuses what is no store, or one of a later version, without changing it.
pub(super) fn check_format(connection: &Connection) -> Result<(), StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let application = number("application_id")?;
    let format = number("user_version")?;
    match (application, format) {
        (APPLICATION, FORMAT) => Ok(()),
        (APPLICATION, found) if found > FORMAT => Err(StoreError::NewerFormat { found, supported: FORMAT }),
        (APPLICATION, _) => Err(StoreError::Damaged),
        // An empty file is what a cut leaves behind: a store is renamed into place when it is complete.
        (0, 0) => Err(StoreError::Damaged),
        _ => Err(StoreError::NotAStore),
    }
}

/// Keeps the log of changes beside the file from here on.
pub(super) fn use_wal(connection: &Connection) -> Result<(), StoreError> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode.eq_ignore_ascii_case("wal") { Ok(()) } else { Err(StoreError::Unsuitable) }
}

/// Makes the tables in an empty file.
pub(super) fn create(
    connection: &mut Connection,
    salt: &[u8],
    check: &[u8],
    home: &[u8],
) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute(
        "INSERT INTO home (id, salt, key_check, sealed) VALUES (1, ?1, ?2, ?3)",
        (salt, check, home),
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(())
}
