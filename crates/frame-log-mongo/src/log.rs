//! The contract's traits, each method in the module of its subject.

use async_trait::async_trait;
use bytes::Bytes;
use frame_log::{
    AppendError, FrameLog, Keep, Limit, Meta, MetaKey, MetaValue, Page, Pruned, ReadError, Record, Replaced,
    WriteError,
};
use protocol::{FrameHash, FrameId, GroupId, Seq};

use crate::MongoFrameLog;

#[async_trait]
impl FrameLog for MongoFrameLog {
    async fn append(&self, group: &GroupId, expected: Seq, record: Record) -> Result<Seq, AppendError> {
        self.append_one(group, expected, record).await
    }

    async fn read(&self, group: &GroupId, from: Seq, limit: Limit) -> Result<Page, ReadError> {
        self.page(group, from, limit).await
    }

    async fn head(&self, group: &GroupId) -> Result<Option<Seq>, ReadError> {
        self.last(group).await
    }

    async fn find(&self, group: &GroupId, id: &FrameId) -> Result<Option<(Seq, FrameHash)>, ReadError> {
        self.locate(group, id).await
    }

    async fn put_snapshot(&self, group: &GroupId, at: Seq, state: Bytes) -> Result<(), WriteError> {
        self.keep_snapshot(group, at, state).await
    }

    async fn snapshot(
        &self,
        group: &GroupId,
        at_most: Option<Seq>,
    ) -> Result<Option<(Seq, Bytes)>, ReadError> {
        self.newest_snapshot(group, at_most).await
    }

    async fn drop_snapshots(&self, group: &GroupId, before: Seq) -> Result<u64, WriteError> {
        self.forget_snapshots(group, before).await
    }

    async fn prune(&self, group: &GroupId, before: Seq, keep: Keep) -> Result<Pruned, WriteError> {
        self.prune_group(group, before, keep).await
    }

    async fn groups(&self, after: Option<&GroupId>, limit: usize) -> Result<Vec<GroupId>, ReadError> {
        self.list(after, limit).await
    }
}

#[async_trait]
impl Meta for MongoFrameLog {
    async fn load(&self, key: MetaKey) -> Result<Option<MetaValue>, ReadError> {
        self.value(key).await
    }

    async fn save(&self, key: MetaKey, value: MetaValue) -> Result<(), WriteError> {
        self.set_value(key, &value).await
    }

    async fn replace(
        &self,
        key: MetaKey,
        expected: Option<MetaValue>,
        value: MetaValue,
    ) -> Result<Replaced, WriteError> {
        self.replace_value(key, expected, &value).await
    }
}
