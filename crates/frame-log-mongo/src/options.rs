//! Where the database is and how long to wait for it.

use std::{fmt, time::Duration};

/// A connection string, possibly with a password: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString(String);

impl ConnectionString {
    /// Wraps a `mongodb://` connection string.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self(uri.into())
    }

    /// The string, password and all.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionString(..)")
    }
}

/// How a log is opened. What the connection string says of concerns and read preference is overruled: they are what
/// the log's promises rest on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where the database is.
    pub uri: ConnectionString,
    /// Name of the database.
    pub database: String,
    /// How long a new connection may take. 5 s unless set.
    pub connect_timeout: Duration,
    /// How long to look for a primary. 5 s unless set.
    pub selection_timeout: Duration,
    /// How long a write waits for the confirmation of a majority, in whole milliseconds. 10 s unless set.
    pub write_timeout: Duration,
    /// How long one request to the database may take, everything included. 20 s unless set; longer than the others,
    /// or they say nothing.
    pub operation_timeout: Duration,
    /// Connections kept open to each server. 0 unless set.
    pub min_connections: u32,
    /// Most connections to each server; who needs one more waits. 64 unless set.
    pub max_connections: u32,
}

impl Options {
    /// A database with the usual timeouts and bounds.
    #[must_use]
    pub fn new(uri: ConnectionString, database: impl Into<String>) -> Self {
        Self {
            uri,
            database: database.into(),
            connect_timeout: Duration::from_secs(5),
            selection_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(20),
            min_connections: 0,
            max_connections: 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_printed() {
        let options = Options::new(ConnectionString::new("mongodb://kith:hunter2@db.example/"), "kith");
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
