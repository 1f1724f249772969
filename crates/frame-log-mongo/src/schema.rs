//! Collections, their indexes, and the number by which versions of this program tell whether they understand them.

use mongodb::{
    Collection, IndexModel,
    bson::{Document, RawDocumentBuf, doc},
    error::{Error, ErrorKind},
    options::IndexOptions,
};
use std::time::Duration;

use crate::{
    document::binary,
    error::{BadIndex, Fault, OpenError},
    open::Deployment,
};

/// Where the schema's number is kept, in the collection `meta`.
const SCHEMA_KEY: &str = "frame-log/schema";
/// The schema this program reads and writes.
const SCHEMA: u32 = 1;

/// Index of `frames`: by group and frame id.
pub(crate) const BY_FRAME_ID: &str = "kith_frame_id";
/// Index of `frames`: the first record of every group.
pub(crate) const BY_GROUP: &str = "kith_group";
/// Index of `frames`, on a standalone server only: by the server's time.
pub(crate) const BY_ARRIVAL: &str = "kith_arrival";
/// Index of `packages`: by mailbox and digest.
pub(crate) const BY_DIGEST: &str = "kith_digest";
/// Index of `packages`: one-time packages not yet claimed.
pub(crate) const WAITING: &str = "kith_waiting";
/// Index of `packages`: those of last resort.
pub(crate) const LAST_RESORT: &str = "kith_last_resort";
/// Index of `packages`: by expiry.
pub(crate) const BY_EXPIRY: &str = "kith_expiry";
/// Index of `packages`: what nobody swept away, the server does.
pub(crate) const SWEPT: &str = "kith_swept";
/// Index of `snapshot_chunks`: by group.
pub(crate) const CHUNKS_BY_GROUP: &str = "kith_chunk_group";

/// No such collection.
const NAMESPACE_NOT_FOUND: i32 = 26;
/// An index of this name, or of these keys, is there and differs.
const INDEX_CONFLICTS: [i32; 2] = [85, 86];

/// Handles to all collections, each with the concerns the promises rest on.
#[derive(Clone)]
pub(crate) struct Collections {
    /// Records, see [`document`](crate::document).
    pub(crate) frames: Collection<RawDocumentBuf>,
    /// How far each group was pruned.
    pub(crate) retention: Collection<Document>,
    /// Which snapshots are complete.
    pub(crate) snapshots: Collection<Document>,
    /// Their bytes.
    pub(crate) chunks: Collection<RawDocumentBuf>,
    /// Key packages.
    pub(crate) packages: Collection<Document>,
    /// A service's values.
    pub(crate) meta: Collection<Document>,
}

impl Collections {
    pub(crate) fn new(open: impl Fn(&str) -> Collection<Document>) -> Self {
        Self {
            frames: open("frames").clone_with_type(),
            retention: open("retention"),
            snapshots: open("snapshots"),
            chunks: open("snapshot_chunks").clone_with_type(),
            packages: open("packages"),
            meta: open("meta"),
        }
    }
}

/// An index that has to be there.
struct Index {
    name: &'static str,
    keys: Document,
    /// Only documents like this are in it.
    only: Option<Document>,
    /// Documents are deleted when the date in its one field has passed.
    expires: bool,
}

impl Index {
    fn new(name: &'static str, keys: Document) -> Self {
        Self { name, keys, only: None, expires: false }
    }

    fn only(self, only: Document) -> Self {
        Self { only: Some(only), ..self }
    }

    fn model(&self) -> IndexModel {
        let mut options = IndexOptions::builder().name(self.name.to_owned()).build();
        options.partial_filter_expression.clone_from(&self.only);
        options.expire_after = self.expires.then_some(Duration::ZERO);
        IndexModel::builder().keys(self.keys.clone()).options(options).build()
    }

    /// What differs between this index and one of its name.
    fn differs(&self, found: &IndexModel) -> Option<&'static str> {
        let none = IndexOptions::default();
        let options = found.options.as_ref().unwrap_or(&none);
        if !same_keys(&self.keys, &found.keys) {
            return Some("keys");
        }
        if options.partial_filter_expression != self.only {
            return Some("a filter");
        }
        if options.expire_after.is_some() != self.expires
            || options.expire_after.is_some_and(|d| !d.is_zero())
        {
            return Some("an expiry");
        }
        let plain =
            options.unique != Some(true) && options.sparse != Some(true) && options.hidden != Some(true);
        let bytewise = options.collation.as_ref().is_none_or(|c| c.locale == "simple");
        (!plain || !bytewise).then_some("options")
    }
}

/// Servers give directions back as whatever number they like.
fn same_keys(ours: &Document, theirs: &Document) -> bool {
    let direction = |value: &mongodb::bson::Bson| {
        value.as_i64().or_else(|| value.as_i32().map(i64::from)).or_else(|| {
            #[allow(
                clippy::cast_possible_truncation,
                reason = "1.0 or -1.0, anything else differs all the same"
            )]
            value.as_f64().map(|f| f as i64)
        })
    };
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|((a, x), (b, y))| a == b && direction(x).is_some() && direction(x) == direction(y))
}

fn frames(deployment: Deployment) -> Vec<Index> {
    let mut indexes = vec![
        Index::new(BY_FRAME_ID, doc! { "_id.g": 1, "i": 1 }),
        Index::new(BY_GROUP, doc! { "_id.g": 1 }).only(doc! { "_id.s": 0_i64 }),
    ];
    // Elsewhere a change stream tells what is new, and an index nobody reads would cost every append.
    if deployment == Deployment::Standalone {
        indexes.push(Index::new(BY_ARRIVAL, doc! { "n": 1, "p": 1, "_id": 1 }));
    }
    indexes
}

fn packages() -> Vec<Index> {
    vec![
        Index::new(BY_DIGEST, doc! { "_id.m": 1, "d": 1 }),
        Index::new(WAITING, doc! { "_id.m": 1, "_id.o": 1, "x": 1 }).only(doc! { "w": true }),
        Index::new(LAST_RESORT, doc! { "_id.m": 1, "_id.o": 1, "l": 1 }).only(doc! { "l": true }),
        Index::new(BY_EXPIRY, doc! { "x": 1 }),
        Index { expires: true, ..Index::new(SWEPT, doc! { "z": 1 }) },
    ]
}

/// Names the schema, or checks that it is ours; makes the indexes, or checks them.
pub(crate) async fn prepare(collections: &Collections, deployment: Deployment) -> Result<(), OpenError> {
    name_schema(collections).await?;
    make(&collections.frames.clone_with_type(), "frames", frames(deployment)).await?;
    let chunks = vec![Index::new(CHUNKS_BY_GROUP, doc! { "g": 1, "_id": 1 })];
    make(&collections.chunks.clone_with_type(), "snapshot_chunks", chunks).await?;
    make(&collections.packages, "packages", packages()).await
}

fn unreachable(error: Error) -> OpenError {
    OpenError::Unreachable(Box::new(error))
}

async fn name_schema(collections: &Collections) -> Result<(), OpenError> {
    let meta = &collections.meta;
    loop {
        if let Some(found) = meta.find_one(doc! { "_id": SCHEMA_KEY }).await.map_err(unreachable)? {
            let found = found.get_binary_generic("v").map(|v| String::from_utf8_lossy(v).into_owned());
            return match found {
                Ok(found) if found == SCHEMA.to_string() => Ok(()),
                Ok(found) => Err(OpenError::Schema { found, known: SCHEMA }),
                Err(_) => Err(OpenError::Schema { found: "of no number".into(), known: SCHEMA }),
            };
        }
        if collections.frames.find_one(doc! {}).await.map_err(unreachable)?.is_some() {
            return Err(OpenError::Foreign);
        }
        let ours = doc! { "_id": SCHEMA_KEY, "v": binary(SCHEMA.to_string().as_bytes()) };
        match meta.insert_one(ours).await {
            Ok(_) => return Ok(()),
            // Somebody else opens the same empty database: what they wrote is read next.
            Err(error) if Fault::of(&error) == Fault::Taken => {
                tokio::time::sleep(Duration::from_millis(10)).await
            }
            Err(error) => return Err(unreachable(error)),
        }
    }
}

async fn make(
    collection: &Collection<Document>,
    name: &'static str,
    indexes: Vec<Index>,
) -> Result<(), OpenError> {
    let found = existing(collection).await.map_err(unreachable)?;
    for index in indexes {
        let called =
            |model: &&IndexModel| model.options.as_ref().and_then(|o| o.name.as_deref()) == Some(index.name);
        if let Some(found) = found.iter().find(called) {
            if let Some(what) = index.differs(found) {
                return Err(BadIndex { collection: name, name: index.name, what }.into());
            }
            continue;
        }
        match collection.create_index(index.model()).await {
            Ok(_) => {}
            Err(error) => {
                let conflict =
                    matches!(&*error.kind, ErrorKind::Command(c) if INDEX_CONFLICTS.contains(&c.code));
                return Err(if conflict {
                    BadIndex { collection: name, name: index.name, what: "keys or options" }.into()
                } else {
                    unreachable(error)
                });
            }
        }
    }
    Ok(())
}

async fn existing(collection: &Collection<Document>) -> Result<Vec<IndexModel>, Error> {
    use futures_util::TryStreamExt as _;
    match collection.list_indexes().await {
        Ok(cursor) => cursor.try_collect().await,
        Err(error) if matches!(&*error.kind, ErrorKind::Command(c) if c.code == NAMESPACE_NOT_FOUND) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named() {
        let index = Index::new(WAITING, doc! { "_id.m": 1, "_id.o": 1 }).only(doc! { "w": true });
        assert_eq!(index.differs(&index.model()), None);
        let mut other = index.model();
        other.keys = doc! { "_id.m": 1.0, "_id.o": 1_i64 };
        assert_eq!(index.differs(&other), None, "directions are numbers of any type");
        other.keys = doc! { "_id.o": 1, "_id.m": 1 };
        assert_eq!(index.differs(&other), Some("keys"), "their order counts");
        other.keys = doc! { "_id.m": 1, "_id.o": "hashed" };
        assert_eq!(index.differs(&other), Some("keys"));
        let changes: [fn(&mut IndexOptions); 4] = [
            |o| o.partial_filter_expression = None,
            |o| o.expire_after = Some(Duration::ZERO),
            |o| o.unique = Some(true),
            |o| o.hidden = Some(true),
        ];
        for change in changes {
            let mut other = index.model();
            change(other.options.as_mut().unwrap());
            assert!(index.differs(&other).is_some());
        }
        let swept = Index { expires: true, ..Index::new(SWEPT, doc! { "z": 1 }) };
        let mut later = swept.model();
        later.options.as_mut().unwrap().expire_after = Some(Duration::from_secs(60));
        assert_eq!(swept.differs(&later), Some("an expiry"));
    }
}
