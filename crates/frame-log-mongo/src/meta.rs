//! A service's values: one document each.

use frame_log::{MAX_META_VALUE, MetaKey, MetaValue, ReadError, Replaced, WriteError};
use mongodb::bson::doc;

use crate::{MongoFrameLog, committed::Patience, document::binary, error::Fault};

fn bounded(value: &MetaValue) -> Result<(), WriteError> {
    match value.as_bytes().len() {
        0..=MAX_META_VALUE => Ok(()),
        len => Err(WriteError::TooLarge { len, max: MAX_META_VALUE }),
    }
}

impl MongoFrameLog {
    pub(crate) async fn value(&self, key: MetaKey) -> Result<Option<MetaValue>, ReadError> {
        let found = self.collections.meta.find_one(doc! { "_id": key.as_str() });
        let Some(found) = self.ask(found.into_future()).await? else { return Ok(None) };
        match found.get_binary_generic("v") {
            Ok(value) => Ok(Some(MetaValue::new(value.clone()))),
            Err(_) => Err(ReadError::Damaged { group: None, seq: None }),
        }
    }

    pub(crate) async fn set_value(&self, key: MetaKey, value: &MetaValue) -> Result<(), WriteError> {
        bounded(value)?;
        let mut patience = Patience::new(self.operation_timeout);
        loop {
            let set = doc! { "$set": { "v": binary(value.as_bytes()) } };
            let update = self.collections.meta.update_one(doc! { "_id": key.as_str() }, set).upsert(true);
            match self.ask(update.into_future()).await {
                Ok(_) => return Ok(()),
                // Somebody else made the document between the look and the insert of the same upsert.
                Err(Fault::Taken) => patience.again().await?,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    pub(crate) async fn replace_value(
        &self,
        key: MetaKey,
        expected: Option<MetaValue>,
        value: &MetaValue,
    ) -> Result<Replaced, WriteError> {
        bounded(value)?;
        let mut patience = Patience::new(self.operation_timeout);
        loop {
            let done = match &expected {
                None => {
                    let document = doc! { "_id": key.as_str(), "v": binary(value.as_bytes()) };
                    match self.ask(self.collections.meta.insert_one(document).into_future()).await {
                        Ok(_) => true,
                        Err(Fault::Taken) => false,
                        Err(fault) => return Err(fault.into()),
                    }
                }
                Some(expected) => {
                    let matching = doc! { "_id": key.as_str(), "v": binary(expected.as_bytes()) };
                    let set = doc! { "$set": { "v": binary(value.as_bytes()) } };
                    let update = self.collections.meta.update_one(matching, set);
                    self.ask(update.into_future()).await?.matched_count == 1
                }
            };
            if done {
                return Ok(Replaced::Done);
            }
            match self.value(key).await {
                // What stood in the way is not with a majority yet, or is gone again: there is no answer but to retry.
                Ok(current) if current == expected => patience.again().await?,
                Ok(current) => return Ok(Replaced::Differs(current)),
                Err(ReadError::Damaged { .. }) => return Err(WriteError::Damaged),
                Err(_) => return Err(WriteError::Unavailable),
            }
        }
    }
}
