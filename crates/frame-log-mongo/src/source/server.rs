//! What a server says of itself.

use std::time::Duration;

use frame_log::SourceError;
use mongodb::{
    Database,
    bson::{Document, Timestamp, doc},
};

use super::failure;

/// The greeting of a server.
#[derive(Debug)]
pub(super) struct Hello {
    /// The newest time its deployment has seen, where deployments keep a common one.
    pub(super) time: Option<Timestamp>,
    topology: Option<[u8; 12]>,
}

/// Greets whoever answers.
pub(super) async fn hello(database: &Database, patience: Duration) -> Result<Hello, SourceError> {
    let reply = failure::within(patience, database.run_command(doc! { "hello": 1 })).await?;
    let operation = reply.get_timestamp("operationTime").ok();
    let cluster =
        reply.get_document("$clusterTime").ok().and_then(|time| time.get_timestamp("clusterTime").ok());
    Ok(Hello { time: operation.max(cluster), topology: topology(&reply) })
}

fn topology(reply: &Document) -> Option<[u8; 12]> {
    let id = reply.get_document("topologyVersion").ok()?.get_object_id("processId").ok()?;
    Some(id.bytes())
}

/// Bytes in a [`Process`].
pub(super) const PROCESS: usize = 13;

/// One run of a server's program: it is another after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process(pub(super) [u8; PROCESS]);

/// Which run of the server answers.
///
/// Servers from 4.4 on name it in their greeting. Of others it is known by the number the system gave the process.
pub(super) async fn process(database: &Database, patience: Duration) -> Result<Process, SourceError> {
    let mut bytes = [0; PROCESS];
    let hello = hello(database, patience).await?;
    if let Some(id) = hello.topology {
        bytes[0] = 1;
        bytes[1..].copy_from_slice(&id);
        return Ok(Process(bytes));
    }
    let quiet =
        ["repl", "metrics", "locks", "wiredTiger", "tcmalloc", "opcounters", "network", "transactions"];
    let mut command = doc! { "serverStatus": 1 };
    command.extend(quiet.map(|section| (section.to_owned(), 0.into())));
    let reply = failure::within(patience, database.run_command(command)).await?;
    let pid = match (reply.get_i64("pid"), reply.get_i32("pid")) {
        (Ok(pid), _) => pid,
        (_, Ok(pid)) => i64::from(pid),
        _ => {
            tracing::warn!("the server does not say which process it is");
            return Err(SourceError::Unavailable);
        }
    };
    bytes[0] = 2;
    bytes[1..9].copy_from_slice(&pid.to_be_bytes());
    Ok(Process(bytes))
}
