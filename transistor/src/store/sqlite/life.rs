//! Whether a file is the one that was open here last.
//!
//! The database and a small file beside it count on when the store is opened, and each time after something was changed
//! that the journal is cut. A database that is behind the file was brought back from a copy; drops in it may have been
//! read since, and must not be read again. One that is ahead is the trace of a crash between the two writes.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use sqlx::{Connection as _, SqliteConnection};

use crate::store::{
    StoreError,
    sql::{self, Link, from_database},
};

/// The count of an open store.
#[derive(Debug)]
pub(super) struct Life {
    marker: PathBuf,
    count: u64,
}

impl Life {
    /// Counts on. Any copy that was made before is told from what is here from now on.
    pub(super) async fn go_on(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let next = self.count.saturating_add(1);
        sql::set_life(&mut Link::Sqlite(connection), &next.to_be_bytes()).await?;
        self.count = next;
        let marker = self.marker.clone();
        let written = tokio::task::spawn_blocking(move || write(&marker, next)).await;
        written.unwrap_or_else(|stopped| Err(io::Error::other(stopped))).map_err(failed)
    }
}

/// Counts on, and erases every drop if the database is an older one or `discard` says so; how many there were.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    file: &Path,
    discard: bool,
) -> Result<(Life, u64), StoreError> {
    let marker = marker(file);
    let beside = read(&marker).map_err(failed)?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(from_database)?;
    let mut link = Link::Sqlite(&mut transaction);
    let inside = match sql::life(&mut link).await? {
        Some(mark) => Some(count(&mark).ok_or(StoreError::Damaged("the count of its lives"))?),
        None => None,
    };
    let restored = match (inside, beside) {
        (None, None) => false,
        (Some(inside), Some(beside)) => inside < beside,
        (None, Some(_)) | (Some(_), None) => true,
    };
    let discarded = if restored || discard { sql::discard(&mut link).await? } else { 0 };
    let next = inside.max(beside).unwrap_or(0).saturating_add(1);
    sql::set_life(&mut link, &next.to_be_bytes()).await?;
    transaction.commit().await.map_err(from_database)?;
    write(&marker, next).map_err(failed)?;
    Ok((Life { marker, count: next }, discarded))
}

fn failed(error: io::Error) -> StoreError {
    StoreError::Failed(error.into())
}

fn marker(file: &Path) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(".opened");
    name.into()
}

fn count(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

fn read(marker: &Path) -> io::Result<Option<u64>> {
    match std::fs::read(marker) {
        // Of what cannot be read nothing is known, as if it were not there.
        Ok(bytes) => Ok(count(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(marker: &Path, count: u64) -> io::Result<()> {
    let mut making = marker.as_os_str().to_owned();
    making.push(".new");
    let making = PathBuf::from(making);
    let mut file = std::fs::File::create(&making)?;
    file.write_all(&count.to_be_bytes())?;
    file.sync_all()?;
    std::fs::rename(&making, marker)?;
    let folder = marker.parent().filter(|folder| !folder.as_os_str().is_empty());
    std::fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
