//! Opening and closing.

use std::{fmt, future::Future, time::Duration};

use mongodb::{
    Client, Collection, Database,
    bson::{RawDocumentBuf, doc},
    error::Error,
    options::{
        Acknowledgment, ClientOptions, CollectionOptions, DatabaseOptions, DriverInfo, ReadConcern,
        ReadPreference, SelectionCriteria, WriteConcern,
    },
};
use protocol::GroupId;

use crate::{
    committed::{Committed, Flush, Known},
    error::{Fault, OpenError, describe},
    options::Options,
    schema,
};

/// A document of `meta` that is written to for the sake of writing.
const FLUSH_KEY: &str = "frame-log/flush";

/// What kind of servers hold the database.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Deployment {
    /// One server alone. It keeps what is acknowledged through its own crashes and not through the loss of its disk,
    /// and it has no change streams. For development and tests.
    Standalone,
    /// A replica set.
    ReplicaSet,
    /// A cluster of shards behind routers.
    Sharded,
}

/// A frame log, mailboxes and values in one `MongoDB` database; see the crate.
pub struct MongoFrameLog {
    client: Client,
    database: Database,
    deployment: Deployment,
    pub(crate) collections: schema::Collections,
    pub(crate) committed: Committed,
    flush: Flush,
    pub(crate) operation_timeout: Duration,
}

impl fmt::Debug for MongoFrameLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoFrameLog")
            .field("database", &self.database.name())
            .field("deployment", &self.deployment)
            .finish_non_exhaustive()
    }
}

impl MongoFrameLog {
    /// Connects, finds out what kind of servers there are, and makes or checks collections and indexes.
    ///
    /// Several may open the same database at once, also an empty one. Afterwards lost connections are made again by
    /// themselves: while there are none, every method answers that the log is not available.
    ///
    /// # Errors
    /// [`OpenError`], which says what an operator can do.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        if !is_database_name(&options.database) {
            return Err(OpenError::BadDatabaseName);
        }
        let client = client_options(&options).await?;
        let client = Client::with_options(client).map_err(|_| OpenError::BadConnectionString)?;
        Self::on(client, &options).await
    }

    pub(crate) async fn on(client: Client, options: &Options) -> Result<Self, OpenError> {
        let deployment = discover(&client).await?;
        let database = client.database_with_options(
            &options.database,
            DatabaseOptions::builder()
                .write_concern(write_concern(options, deployment))
                .read_concern(ReadConcern::majority())
                .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
                .build(),
        );
        let collections = schema::Collections::new(|name| {
            database.collection_with_options(
                name,
                CollectionOptions::builder()
                    .write_concern(write_concern(options, deployment))
                    .read_concern(ReadConcern::majority())
                    .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
                    .build(),
            )
        });
        schema::prepare(&collections, deployment).await?;
        Ok(Self {
            client,
            database,
            deployment,
            collections,
            committed: Committed::new(),
            flush: Flush::default(),
            operation_timeout: options.operation_timeout,
        })
    }

    /// What kind of servers hold the database.
    #[must_use]
    pub const fn deployment(&self) -> Deployment {
        self.deployment
    }

    /// Closes all connections. What is under way fails as if the connection were lost; every later call answers that
    /// the log is not available.
    pub async fn close(&self) {
        self.client.clone().shutdown().immediate(true).await;
    }

    /// The database, for those who follow it.
    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    /// The records, see [`document`](crate::document).
    pub(crate) const fn frames(&self) -> &Collection<RawDocumentBuf> {
        &self.collections.frames
    }

    /// Makes sure that a record which was read is there to stay, before anybody is told of it.
    ///
    /// Elsewhere a majority read has seen to it. A server alone has to be asked.
    pub(crate) async fn confirm(&self, group: &GroupId, seen: Known) -> Result<(), Fault> {
        if self.committed.get(group) >= Some(seen.seq) {
            return Ok(());
        }
        if self.deployment == Deployment::Standalone {
            let touch =
                self.collections.meta.update_one(doc! { "_id": FLUSH_KEY }, doc! { "$inc": { "n": 1_i64 } });
            self.flush
                .after_now(async { self.ask(touch.upsert(true).into_future()).await.map(drop) })
                .await?;
        }
        self.committed.note(group, seen);
        Ok(())
    }

    /// Waits for a request to the database, but not for ever.
    pub(crate) async fn ask<T>(
        &self,
        request: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Fault> {
        match tokio::time::timeout(self.operation_timeout, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let fault = Fault::of(&error);
                if fault != Fault::Taken {
                    let (kind, code) = describe(&error);
                    tracing::warn!(kind, code, "a request to the database failed");
                }
                Err(fault)
            }
            Err(_) => {
                tracing::warn!(kind = "no answer in time", "a request to the database failed");
                Err(Fault::Unavailable)
            }
        }
    }
}

fn write_concern(options: &Options, deployment: Deployment) -> WriteConcern {
    let mut concern = WriteConcern::builder().build();
    concern.w = Some(match deployment {
        // It is its own majority, and the engine the tests run answers that before its journal is written; asked for
        // itself and the journal, it has written.
        Deployment::Standalone => Acknowledgment::Nodes(1),
        Deployment::ReplicaSet | Deployment::Sharded => Acknowledgment::Majority,
    });
    concern.journal = Some(true);
    concern.w_timeout = Some(options.write_timeout);
    concern
}

pub(crate) async fn client_options(options: &Options) -> Result<ClientOptions, OpenError> {
    let parsed = ClientOptions::parse(options.uri.expose()).await;
    let mut client = parsed.map_err(|_| OpenError::BadConnectionString)?;
    client.app_name.get_or_insert_with(|| "kith".into());
    client.driver_info = Some(DriverInfo::builder().name("kith").build());
    client.connect_timeout = Some(options.connect_timeout);
    client.server_selection_timeout = Some(options.selection_timeout);
    client.min_pool_size = Some(options.min_connections.min(options.max_connections));
    client.max_pool_size = Some(options.max_connections.max(1));
    client.write_concern = Some(write_concern(options, Deployment::ReplicaSet));
    client.read_concern = Some(ReadConcern::majority());
    client.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    // The driver leaves writes unrepeatable where the server could not tell a repetition from a second write.
    client.retry_writes = Some(true);
    client.retry_reads = Some(true);
    Ok(client)
}

async fn discover(client: &Client) -> Result<Deployment, OpenError> {
    let hello = client.database("admin").run_command(doc! { "hello": 1 }).await;
    let hello = hello.map_err(|e| OpenError::Unreachable(Box::new(e)))?;
    if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        return Ok(Deployment::Sharded);
    }
    if hello.get_str("setName").is_err() {
        return Ok(Deployment::Standalone);
    }
    let voters = hello.get_array("hosts").map_or(0, Vec::len);
    if hello.get_array("arbiters").is_ok_and(|arbiters| !arbiters.is_empty()) {
        tracing::warn!("the replica set has an arbiter: while a member is away, nothing may be committed");
    } else if voters < 3 {
        tracing::warn!(
            voters,
            "the replica set has fewer than three members: it does not outlive the loss of one"
        );
    }
    Ok(Deployment::ReplicaSet)
}

fn is_database_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && !name.contains(['/', '\\', '.', '"', '$', '*', '<', '>', ':', '|', '?', ' ', '\0'])
}
