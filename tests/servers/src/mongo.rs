//! Servers that speak MongoDB's protocol.

use std::ops::{Deref, DerefMut};

use anyhow::Result;

use crate::{Program, Ready, Server, installed, server::Ground};

/// The variable with the connection string of a replica set to test against.
const REPLICA_SET: &str = "KITH_TEST_MONGODB_URI";

/// The connection string of a real replica set to test against, if the environment names one.
///
/// Its databases outlive a test: a test chooses a name of its own and drops what it made.
#[must_use]
pub fn replica_set() -> Option<String> {
    std::env::var(REPLICA_SET).ok().filter(|uri| !uri.is_empty())
}

fn listening() -> Ready {
    Ready::Line("listening on ".into())
}

fn uri(server: &Server) -> String {
    format!("mongodb://127.0.0.1:{}/?directConnection=true", server.port())
}

/// MongoDB's own storage and query engine as a standalone server, which keeps its data in a folder.
///
/// It has no change streams, sessions, transactions, authentication or TLS. What can be done to it is in [`Server`].
#[derive(Debug)]
pub struct Mongo(Server);

impl Mongo {
    /// Starts the server with an empty folder on a free port.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let program = installed("mongo", "run")?;
        let ground = Ground::prepare(None, None)?;
        let program = Program::new(program).arg(&ground.data).arg(ground.port.to_string());
        Ok(Self(ground.start(program.ready(listening())).await?))
    }

    /// The connection string.
    #[must_use]
    pub fn uri(&self) -> String {
        uri(self)
    }
}

/// An independent server with change streams, which keeps everything in memory: a restart empties it.
///
/// It presents itself as the primary of a replica set of one. A resume token of before a restart is refused with code
/// 286, one that cannot be read with 260. What can be done to it is in [`Server`].
#[derive(Debug)]
pub struct MongoJava(Server);

impl MongoJava {
    /// Starts the server on a free port.
    ///
    /// # Errors
    ///
    /// It is not installed or does not start.
    pub async fn start() -> Result<Self> {
        let classes = installed("mongo-java", "classes")?;
        let jars = installed("mongo-java", "jars")?;
        let ground = Ground::prepare(None, None)?;
        // Small and started at once rather than fast in the long run.
        let program = Program::new("java")
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"])
            .arg(format!("{}:{}/*", classes.display(), jars.display()))
            .args(["Main".to_owned(), ground.port.to_string()])
            .arg(ground.folder.path().join("lives"));
        Ok(Self(ground.start(program.ready(listening())).await?))
    }

    /// The connection string.
    #[must_use]
    pub fn uri(&self) -> String {
        uri(self)
    }
}

impl Deref for Mongo {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Mongo {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}

impl Deref for MongoJava {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for MongoJava {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
